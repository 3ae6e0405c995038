"""Decoding of image files."""

import numpy as np
import pytest
from PIL import Image

from egbad.data.image_decoder import ImageDecoder, ImageHeader, common_size, map_images, read_header
from egbad.data.options import BatchSizes
from egbad.errors import UnreadableFileError

MODES = ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16"]


def decoder(size=None, *, in_colour=False, min_side=8):
    return ImageDecoder(size, min_side, in_colour, cost=1)


def image_of(mode):
    if mode == "I;16":
        return Image.fromarray(np.full((9, 8), 200, np.uint16))
    return Image.fromarray(np.full((9, 8), 200, np.uint8)).convert(mode)


@pytest.mark.parametrize("mode", MODES)
def test_images_of_any_mode_are_decoded_in_colour_or_in_grey(mode):
    assert decoder(in_colour=True).decode(image_of(mode)).shape == (3, 9, 8)
    pixels = decoder().decode(image_of(mode))
    assert pixels.shape == (9, 8) and pixels.dtype == (np.uint16 if mode == "I;16" else np.uint8)
    assert mode == "1" or abs(int(pixels[4, 4]) - 200) <= 1


@pytest.mark.parametrize("mode", MODES)
def test_a_header_says_if_an_image_is_in_colour(mode):
    assert read_header(image_of(mode)) == ImageHeader(9, 8, in_colour=mode in ("P", "RGB", "RGBA", "CMYK"))


def test_images_are_resized_or_enlarged_to_the_smallest_side():
    image = Image.fromarray(np.full((4, 30), 9, np.uint8))
    assert decoder((16, 12)).decode(image).shape == (16, 12)
    assert decoder(min_side=8).decode(image).shape == (8, 30)


def test_a_large_photograph_is_decoded_at_less_than_its_size_and_looks_the_same(tmp_path):
    rng = np.random.default_rng(0)
    photo = Image.fromarray(rng.integers(0, 256, (50, 60, 3), dtype=np.uint8)).resize((1200, 1000))
    photo.save(tmp_path / "a.jpg", quality=90)
    with Image.open(tmp_path / "a.jpg") as image:
        expected = np.moveaxis(np.asarray(image.resize((36, 32), Image.Resampling.LANCZOS)), 2, 0).astype(int)
    with Image.open(tmp_path / "a.jpg") as image:
        found = decoder((32, 36), in_colour=True).decode(image)
        assert image.size < (1200, 1000)
    assert np.abs(found - expected).max() <= 4 and np.abs(found - expected).mean() < 0.5


@pytest.mark.parametrize(
    ("sizes", "limit", "expected"),
    [
        ([(10, 12), (20, 30), (40, 60)], True, (20, 30)),
        ([(400, 200)], True, (128, 64)),
        ([(400, 200)], False, (400, 200)),
        ([(1, 1)], True, (8, 8)),
    ],
)
def test_the_common_size_is_the_median_within_limits(sizes, limit, expected):
    assert common_size(sizes, limit=limit) == expected


def test_unreadable_files_are_returned_as_errors_in_their_place(tmp_path):
    paths = [tmp_path / f"{name}.png" for name in "abc"]
    Image.fromarray(np.zeros((9, 8), np.uint8)).save(paths[0])
    paths[1].write_bytes(b"\x89PNG\r\n")
    found = [*map_images(read_header, paths, 1, BatchSizes())]
    assert [path for path, _ in found] == paths
    assert found[0][1] == ImageHeader(9, 8, False)
    for name, (_, error) in zip("bc", found[1:], strict=True):
        assert isinstance(error, UnreadableFileError) and f"{name}.png' cannot be read as an image" in str(error)
