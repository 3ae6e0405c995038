"""Decoding of image files."""

import struct

import numpy as np
import pytest
from PIL import Image

from egbad.data.image_decoder import ImageDecoder, ImageHeader, common_size, map_images, read_header
from egbad.data.options import BatchSizes
from egbad.errors import UnreadableFileError

MODES = ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16"]


RAMP = np.linspace(0, 1, 30 * 40).reshape(30, 40)


def decoder(size=None, *, in_colour=False, min_side=8, pixel_type="uint8"):
    return ImageDecoder(size, min_side, in_colour, cost=1, pixel_type=pixel_type)


def open_one(function, path):
    """Return what `map_images` returns for one file."""
    ((_, result),) = map_images(function, [path], 1, BatchSizes())
    return result


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
    pixel_type = "uint16" if mode == "I;16" else "uint8"
    assert read_header(image_of(mode)) == ImageHeader(9, 8, mode in ("P", "RGB", "RGBA", "CMYK"), pixel_type)


@pytest.mark.parametrize("name", ["a.tif", "a.png", "a.jpg", "a.gif", "a.webp", "a.avif", "a.bmp", "a.ppm"])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_all_formats_are_read(tmp_path, name, mode):
    pixels = Image.fromarray((255 * RAMP).astype(np.uint8)).convert(mode)
    pixels.save(tmp_path / name)
    found = open_one(decoder(in_colour=True).decode, tmp_path / name)
    assert np.abs(found.astype(int) - np.moveaxis(np.asarray(pixels.convert("RGB")), 2, 0)).max() <= 6


@pytest.mark.parametrize(
    "pixels",
    [
        (2 * RAMP - 1).astype(np.float32),
        (4000 * RAMP).astype(np.float32),
        (2e5 * RAMP - 1e5).astype(np.int32),
        (4e9 * RAMP).astype(np.uint32),
        (6e4 * RAMP).astype(np.uint16),
        (6e4 * RAMP).astype(">u2"),
    ],
)
def test_grey_tiffs_of_more_than_8_bits_keep_their_values(tmp_path, pixels):
    path = tmp_path / "a.tif"
    Image.fromarray(pixels.view(np.int32) if pixels.dtype == np.uint32 else pixels).save(path)
    if pixels.dtype == np.uint32:  # Pillow writes signed numbers only
        signed, unsigned = (struct.pack("<HHIHH", 339, 3, 1, sample_format, 0) for sample_format in (2, 1))
        path.write_bytes(path.read_bytes().replace(signed, unsigned))
    header = open_one(read_header, path)
    assert (header.pixel_type, header.in_colour) == (pixels.dtype.name, False)
    found = open_one(decoder(pixel_type=header.pixel_type).decode, path)
    assert found.dtype == pixels.dtype.newbyteorder("=") and np.array_equal(found, pixels)
    shrunk = open_one(decoder((8, 8), in_colour=True, pixel_type=header.pixel_type).decode, path)
    assert shrunk.shape == (3, 8, 8) and shrunk.dtype == found.dtype
    assert shrunk.mean() == pytest.approx(pixels.mean(), rel=0.02, abs=0.02 * float(np.ptp(pixels)))


def test_pixels_that_are_no_numbers_are_refused(tmp_path):
    Image.fromarray(np.where(RAMP > 0.5, np.nan, RAMP).astype(np.float32)).save(tmp_path / "a.tif")
    error = open_one(decoder(pixel_type="float32").decode, tmp_path / "a.tif")
    assert "a.tif' cannot be read as an image: its pixels must be finite numbers" in str(error)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.jpg", "deep.png"])
def test_images_are_turned_upright(tmp_path, name, orientation):
    upright = Image.fromarray((60000 * RAMP).astype(np.uint16) if name == "deep.png" else (250 * RAMP).astype(np.uint8))
    method = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}.get(orientation)  # what a camera does to the picture
    turned = upright if method is None else upright.transpose(Image.Transpose(method))
    exif = Image.Exif()
    exif[0x112] = orientation
    turned.save(tmp_path / name, exif=exif, quality=100)
    header = open_one(read_header, tmp_path / name)
    assert (header.height, header.width) == (30, 40)
    found = open_one(decoder(pixel_type=header.pixel_type).decode, tmp_path / name)
    assert found.shape == (30, 40)
    assert np.abs(found.astype(int) - np.asarray(upright).astype(int)).max() <= (1 if name == "a.jpg" else 0)


def test_a_turned_photograph_is_decoded_at_reduced_size(tmp_path):
    upright = Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 40)).astype(np.uint8)).resize((1600, 800))
    exif = Image.Exif()
    exif[0x112] = 6
    upright.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "a.jpg", exif=exif, quality=95)
    found = open_one(decoder((20, 40)).decode, tmp_path / "a.jpg")
    expected = np.asarray(upright.resize((40, 20), Image.Resampling.LANCZOS)).astype(int)
    assert np.abs(found - expected).mean() < 1


def test_damaged_metadata_are_ignored(tmp_path):
    Image.fromarray((255 * RAMP).astype(np.uint8)).save(tmp_path / "a.png", exif=b"Exif\x00\x00no metadata")
    assert open_one(read_header, tmp_path / "a.png") == ImageHeader(30, 40, False)
    assert open_one(decoder().decode, tmp_path / "a.png").shape == (30, 40)


@pytest.mark.parametrize("name", ["a.tif", "a.gif", "a.png", "a.webp", "a.avif"])
def test_files_of_several_pages_or_frames_are_refused(tmp_path, name):
    frames = [Image.fromarray((255 * RAMP**power).astype(np.uint8)) for power in (1, 2, 3)]
    frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
    error = open_one(read_header, tmp_path / name)
    assert isinstance(error, UnreadableFileError)
    assert f"{name}' cannot be read as an image: it holds several pages or frames" in str(error)


def test_thumbnails_are_no_pages(tmp_path):
    picture = Image.fromarray((255 * RAMP).astype(np.uint8))
    thumbnail = picture.resize((20, 15))
    thumbnail.encoderinfo = {"tiffinfo": {254: 1}}
    picture.save(tmp_path / "a.tif", save_all=True, append_images=[thumbnail])
    with Image.open(tmp_path / "a.tif") as image:
        assert image.n_frames == 2
    assert open_one(read_header, tmp_path / "a.tif") == ImageHeader(30, 40, False)
    assert np.array_equal(open_one(decoder().decode, tmp_path / "a.tif"), np.asarray(picture))


def test_formats_that_are_not_listed_are_not_opened(tmp_path):
    Image.fromarray((255 * RAMP).astype(np.uint8)).save(tmp_path / "a.eps")
    (tmp_path / "a.eps").rename(tmp_path / "a.png")
    error = open_one(read_header, tmp_path / "a.png")
    assert "cannot be read as an image: it is damaged, or none of PNG, JPEG" in str(error)


def test_too_large_an_image_is_refused(tmp_path):
    header = b"P5 40000 40000 255\n"
    (tmp_path / "a.pgm").write_bytes(header)
    error = open_one(read_header, tmp_path / "a.pgm")
    assert "decompression bomb" in str(error)


@pytest.mark.parametrize("transparency", [0, bytes(range(256))])
def test_transparency_is_ignored(tmp_path, transparency):
    image = Image.fromarray((255 * RAMP).astype(np.uint8)).convert("P")
    image.save(tmp_path / "a.png", transparency=transparency)
    assert np.array_equal(open_one(decoder().decode, tmp_path / "a.png"), np.asarray(image.convert("L")))


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
