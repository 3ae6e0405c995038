"""Arrays of images of different sizes."""

import hashlib

import numpy as np

from egbad.data.ragged import (
    describe_shape,
    image_digest,
    is_ragged,
    ragged_array,
    sample_shape,
    sum_per_sample,
    update_digest,
)

IMAGES = [np.ones((3, 20, 30)), np.ones((3, 40, 10))]


def test_images_of_one_size_are_not_unpacked():
    x = ragged_array([np.zeros((4, 4)), np.ones((4, 4))])
    assert x.shape == (2,) and is_ragged(x) and x[1].shape == (4, 4)
    assert not is_ragged(np.zeros((2, 4, 4)))


def test_the_shape_of_a_sample_has_the_smallest_sides():
    assert sample_shape(ragged_array(IMAGES)) == (3, 20, 10)
    assert sample_shape(np.zeros((5, 4, 3))) == (4, 3)


def test_shapes_are_described_from_the_smallest_to_the_largest():
    assert describe_shape(ragged_array(IMAGES)) == "shapes from (3, 40, 10) to (3, 20, 30)"
    assert describe_shape(ragged_array(IMAGES[:1])) == "(3, 20, 30)"
    assert describe_shape(np.zeros((5, 4, 3))) == "(4, 3)"


def test_sums_are_per_image():
    assert sum_per_sample(ragged_array(IMAGES)).tolist() == [1800, 1200]
    assert sum_per_sample(np.ones((2, 4, 4))).tolist() == [16, 16]


def test_a_digest_takes_in_every_image():
    def digest(x):
        found = hashlib.sha256()
        update_digest(found, x)
        return found.digest()

    changed = [IMAGES[0], 2 * IMAGES[1]]
    assert digest(ragged_array(IMAGES)) == digest(ragged_array([image.copy() for image in IMAGES]))
    assert digest(ragged_array(IMAGES)) != digest(ragged_array(changed))
    assert digest(np.ones((2, 2))) == hashlib.sha256(np.ones((2, 2)).tobytes()).digest()


def test_the_digest_of_an_image_depends_on_its_values_only():
    pixels = np.random.default_rng(0).integers(0, 256, (3, 12, 10), dtype=np.uint8)
    forms = (pixels.astype(np.int64), pixels.astype(np.float32), np.asfortranarray(pixels), pixels[:, ::-1][:, ::-1])
    assert {image_digest(image) for image in forms} == {image_digest(pixels)}
    others = (pixels + 0.5, pixels.astype(int) - 256, pixels.astype(int) * 257, pixels[:1], pixels[:, ::-1])
    assert len({image_digest(image) for image in (pixels, *others)}) == 6
    assert image_digest(np.array([[-0.0, 0.5]])) == image_digest(np.array([[0.0, 0.5]]))
    assert image_digest(np.array([[-0.0, 5.0]])) == image_digest(np.array([[0, 5]], np.uint8))
