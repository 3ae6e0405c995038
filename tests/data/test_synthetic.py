"""Synthetic anomalies, made of normal rows or images."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from egbad.data import read
from egbad.data.lazy_images import decode_at
from egbad.data.ragged import image_digest, is_lazy, ragged_array
from egbad.data.synthetic import synthetic_anomalies


@settings(max_examples=30, deadline=None)
@given(n=st.integers(2, 40), d=st.integers(1, 9), seed=st.integers(0, 99))
def test_rows_are_mixed_with_others_or_have_shifted_columns(n, d, seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d))
    x[:, d // 2 :] = 1.0 if d > 1 else x[:, d // 2 :]  # constant columns
    spread = x.std(axis=0)
    n_mixed = n_shifted = 0
    for row in synthetic_anomalies(x, rng):
        is_mixed = all(row[j] in x[:, j] for j in range(d))
        away = np.abs(row - x)
        changed = away > 0
        is_shifted = (
            ((changed.sum(axis=1) >= 1) & (changed.sum(axis=1) <= max(1, d // 4)))
            & ~changed[:, spread == 0].any(axis=1)
            & ((away >= 2 * spread - 1e-9) | ~changed).all(axis=1)
        ).any()
        assert is_mixed or is_shifted
        n_mixed, n_shifted = n_mixed + is_mixed, n_shifted + is_shifted
    assert n_mixed <= (n + 1) // 2
    assert n_shifted >= n // 2


@pytest.mark.parametrize("shape", [(12, 10), (3, 12, 10)])
def test_an_image_differs_from_a_normal_one_in_one_rectangle_of_another(shape):
    x = np.random.default_rng(0).random((20, *shape))
    anomalies = synthetic_anomalies(x, np.random.default_rng(1))
    assert len(anomalies) == 20
    for image in anomalies:
        source = x[np.argmin([(image != normal).sum() for normal in x])]
        ys, xs = np.nonzero((image != source).reshape(-1, 12, 10).any(axis=0))
        piece = image[..., ys.min() : ys.max() + 1, xs.min() : xs.max() + 1]
        assert piece.size == (image != source).sum()
        assert np.isin(piece, x).all()


def test_no_anomaly_equals_a_normal_row():
    x = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]] * 10)  # every mixture is normal
    anomalies = synthetic_anomalies(x, np.random.default_rng(0))
    assert 0 < len(anomalies) < 40
    assert not {tuple(row) for row in anomalies} & {tuple(row) for row in x}


def test_the_input_is_not_changed():
    for x in (np.random.default_rng(0).normal(size=(9, 3)), np.random.default_rng(0).random((9, 8, 8))):
        before = x.copy()
        synthetic_anomalies(x, np.random.default_rng(1))
        assert np.array_equal(x, before)


def test_images_of_several_sizes_get_pieces_that_fit_in_both():
    rng = np.random.default_rng(0)
    x = ragged_array([rng.random((10 + i % 3, 30 - 2 * i)) for i in range(9)])
    anomalies = synthetic_anomalies(x, np.random.default_rng(1))
    assert [image.shape for image in anomalies] == [image.shape for image in x]
    values = np.concatenate([image.ravel() for image in x])
    for image, normal in zip(anomalies, x, strict=True):
        ys, xs = np.nonzero(image != normal)
        assert len(ys) == (np.ptp(ys) + 1) * (np.ptp(xs) + 1), "one rectangle"
        assert np.isin(image, values).all()


def test_images_of_files_give_anomalies_that_are_decoded_when_they_are_needed(tmp_path):
    rng = np.random.default_rng(0)
    for i in range(6):
        Image.fromarray(rng.integers(0, 256, (20 + i, 40, 3), dtype=np.uint8)).save(tmp_path / f"{i}.png")
    Image.fromarray(np.zeros((20, 40, 3), np.uint8)).save(tmp_path / "6.png")
    lazy = synthetic_anomalies(read(tmp_path, lazy=True).x, np.random.default_rng(1))
    eager = synthetic_anomalies(read(tmp_path, patch_size=8).x, np.random.default_rng(1))
    assert is_lazy(lazy) and not is_lazy(eager)
    for image, expected in zip(pickle.loads(pickle.dumps(lazy)), eager, strict=True):
        assert np.array_equal(image, expected) and image.digest == image_digest(expected)
        assert (image.min(), image.max(), image.shape) == (expected.min(), expected.max(), expected.shape)
    assert decode_at(lazy, (10, 20)).shape == (7, 3, 10, 20), "detectors of one size decode them, too"


def test_a_piece_that_changes_nothing_makes_no_anomaly(tmp_path):
    for i in range(3):
        Image.fromarray(np.full((20 + i // 2, 40), 7, np.uint8)).save(tmp_path / f"{i}.png")
    assert len(synthetic_anomalies(read(tmp_path, lazy=True).x, np.random.default_rng(1))) == 0
