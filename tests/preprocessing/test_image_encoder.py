"""Encoder of images."""

import numpy as np
import pytest

from egbad.preprocessing.image_encoder import ENCODED_LIMIT, IdentityEncoder, ImageEncoder


def test_eight_bit_images_range_from_0_to_255():
    x = np.array([[[0, 255], [51, 102]]], dtype=np.uint8)
    encoder = ImageEncoder().fit(x[:, :1])
    assert encoder.encode(x)[0, 0] == pytest.approx(np.array([[-1, 1], [-0.6, -0.2]]), abs=1e-6)
    assert encoder.decode(encoder.encode(x)) == pytest.approx(x, abs=1e-3)


def test_other_images_have_the_range_of_the_training_images():
    x = np.linspace(2, 6, 16).reshape(1, 1, 4, 4)
    encoder = ImageEncoder().fit(x)
    assert encoder.encode(x).min() == -1
    assert encoder.encode(x).max() == 1


def test_extreme_pixels_are_clipped():
    encoder = ImageEncoder().fit(np.linspace(0, 1e-29, 16).reshape(1, 4, 4))
    x = np.array([1e300, -1e300, 3e38, 1e-300, 0]).reshape(1, 1, 5)
    assert encoder.encode(x).ravel().tolist() == [ENCODED_LIMIT, -ENCODED_LIMIT, ENCODED_LIMIT, -1, -1]


def test_constant_images_of_any_size_have_a_range():
    for value in (0, -5.5, 1e29, -1e29):
        encoder = ImageEncoder().fit(np.full((2, 3, 3), value))
        assert (encoder.encode(np.full((1, 3, 3), value)) == -1).all()


@pytest.mark.parametrize("shape", [(3, 8, 8), (3, 2, 8, 8)])
@pytest.mark.parametrize("constant", [False, True])
def test_state_restores_the_encoder(shape, constant):
    x = np.ones(shape) if constant else np.random.default_rng(0).normal(size=shape)
    encoder = ImageEncoder().fit(x)
    restored = ImageEncoder().restore(encoder.state(), x.shape[1:])
    assert np.array_equal(restored.encode(x), encoder.encode(x))
    assert np.array_equal(restored.decode(encoder.encode(x)), encoder.decode(encoder.encode(x)))
    assert encoder.decode(encoder.encode(x)) == pytest.approx(x, abs=1e-5)


def test_the_identity_encoder_changes_nothing():
    x = np.zeros((2, 3))
    encoder = IdentityEncoder().fit(x).restore({}, x.shape[1:])
    assert encoder.encode(x) is x and encoder.decode(x) is x and encoder.state() == {}
