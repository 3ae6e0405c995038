"""Images of files that are decoded when they are asked for."""

import pickle

import numpy as np
import pytest
from PIL import Image

from egbad.data import open_stream, read, sample
from egbad.data.lazy_images import decode_all, decode_at, decode_at_common_size, iterate_images
from egbad.data.options import BatchSizes
from egbad.data.ragged import image_digest, is_lazy, is_ragged, sample_shape
from egbad.data.sampling import SampleLimits
from egbad.errors import UnreadableFileError
from egbad.scoring.learned_rows import row_digests

SHAPES = [(12, 16, 3), (20, 10, 3), (9, 9, 3)]


@pytest.fixture
def folder(tmp_path, save_image):
    """Write three colour images of different sizes."""
    rng = np.random.default_rng(0)
    for i, shape in enumerate(SHAPES):
        save_image(f"{i}.png", rng.integers(0, 256, shape).astype(np.uint8))
    return tmp_path


def test_lazy_images_have_the_values_of_eager_ones(folder):
    lazy, eager = read(folder, lazy=True), read(folder, patch_size=8)
    assert is_lazy(lazy.x) and not is_lazy(eager.x)
    assert lazy.files == eager.files
    assert [image.shape for image in lazy.x] == [(3, 12, 16), (3, 20, 10), (3, 9, 9)]
    for image, expected in zip(lazy.x, eager.x, strict=True):
        assert np.array_equal(np.asarray(image), expected)
        assert (image.min(), image.max()) == (expected.min(), expected.max())
        assert image.dtype == np.uint8 and image.ndim == 3
        assert image.digest == image_digest(expected)
    assert np.asarray(lazy.x[0], dtype=np.float32).dtype == np.float32
    assert np.array_equal(row_digests(lazy.x), row_digests(eager.x))
    assert sample_shape(lazy.x) == (3, 9, 9)


def test_lazy_images_are_selected_and_pickled_like_arrays(folder):
    x = read(folder, lazy=True).x
    some = pickle.loads(pickle.dumps(x[np.array([2, 0])]))
    assert [image.shape for image in some] == [(3, 9, 9), (3, 12, 16)]
    assert is_ragged(decode_all(some)) and not is_lazy(decode_all(some))
    assert decode_all(x[:1]).shape == (1, 3, 12, 16), "images of one size become one array"
    for image, expected in zip(iterate_images(x), decode_all(x), strict=True):
        assert np.array_equal(image, expected)
    stack = np.zeros((2, 8, 8))
    assert len([*iterate_images(stack)]) == 2 and decode_all(stack) is stack


def test_a_stream_of_lazy_images_has_the_same_images(folder):
    stream = open_stream(folder, lazy=True, batch_sizes=BatchSizes(images=2))
    batches = [*stream.batches]
    assert [len(batch.x) for batch in batches] == [2, 1]
    data, n = sample(open_stream(folder, lazy=True), limits=SampleLimits(lazy_images=2))
    assert len(data.x) == 2 and n == 3 and is_lazy(data.x)


def test_damaged_pixels_are_found_when_lazy_images_are_read(folder):
    whole = (folder / "1.png").read_bytes()
    (folder / "1.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UnreadableFileError, match="1.png"):
        read(folder, lazy=True)
    data = read(folder, lazy=True, skip_unreadable=True)
    assert data.files == ("0.png", "2.png") and len(data.unreadable) == 1


def test_a_file_that_changes_while_it_is_read_is_named(folder, save_image):
    x = read(folder, lazy=True).x
    save_image("1.png", np.zeros((30, 30, 3), np.uint8))
    with pytest.raises(UnreadableFileError, match="1.png' must not change while it is read"):
        np.asarray(x[1])
    (folder / "1.png").unlink()
    with pytest.raises(UnreadableFileError, match="1.png"):
        np.asarray(x[1])


def test_large_jpeg_files_are_decoded_with_enough_pixels(tmp_path):
    ramp = np.linspace(0, 255, 400)[:, None] * np.ones(600)
    for name in ("a.jpg", "b.png"):
        Image.fromarray(ramp.astype(np.uint8)).save(tmp_path / name)
    shapes = [image.shape for image in read(tmp_path, enough_side=100).x]
    assert shapes == [(100, 150), (400, 600)], "PNG files cannot be decoded with fewer pixels"
    assert [image.shape for image in read(tmp_path, enough_side=200, lazy=True).x] == [(200, 300), (400, 600)]
    assert read(tmp_path, enough_side=600).x.shape == (2,), "alone or in a folder, an image has the same pixels"
    coarse, fine = (read([tmp_path / "a.jpg"], enough_side=side).x[0] for side in (100, 400))
    assert abs(coarse.mean() - fine.mean()) < 1


def test_lazy_images_are_decoded_at_a_size_like_eager_ones(folder):
    x = read(folder, lazy=True).x
    assert np.array_equal(decode_at(x, (10, 11)), read(folder, image_size=(10, 11)).x)
    assert np.array_equal(decode_at(x, (10, 11), in_colour=False), read(folder, image_size=(10, 11), colour=False).x)
    assert np.array_equal(decode_at_common_size(x), read(folder).x)
    stack = np.zeros((2, 8, 8))
    assert decode_at(stack, (9, 9)) is stack and decode_at_common_size(stack) is stack
