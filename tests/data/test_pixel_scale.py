"""Scale of pixel values."""

import numpy as np
import pytest

from egbad.data.pixel_scale import PixelScale
from egbad.data.ragged import ragged_array
from egbad.errors import InvalidInputError

PICTURES = np.random.default_rng(0).integers(0, 256, (4, 8, 9)).astype(np.uint8)
PICTURES[:, 0, 0] = 255
SAME_PICTURES = {
    "8 bits": PICTURES,
    "16 bits": PICTURES * np.uint16(257),
    "fractions": PICTURES / 255,
    "8 bits in another type": PICTURES.astype(np.float32),
    "8 bits in signed numbers": PICTURES.astype(np.int64),
}


def convert(learned, x):
    return PixelScale.of(learned).convert(x)


@pytest.mark.parametrize(
    ("x", "white"),
    [
        *zip(SAME_PICTURES.values(), (255, 65535, 1, 255, 255), strict=True),
        (np.zeros((2, 8, 8), np.uint8), 255),
        (PICTURES - 300.0, None),
        (PICTURES * 10.0, None),
        (PICTURES // 16 * 1.0, None),
        ((PICTURES > 99) * 1.0, None),
    ],
)
def test_white_is_known_for_pictures_and_unknown_for_measurements(x, white):
    assert PixelScale.of(x).white == white


@pytest.mark.parametrize("learned", ["8 bits", "16 bits", "fractions"])
@pytest.mark.parametrize("given", SAME_PICTURES)
def test_a_picture_has_the_same_values_in_each_type(learned, given):
    if learned == "16 bits" and given.startswith("8 bits in"):
        return  # may be dark 16-bit pictures
    expected = SAME_PICTURES[learned].astype(np.float32)
    found = convert(SAME_PICTURES[learned], SAME_PICTURES[given])
    assert np.array_equal(found.astype(np.float32), expected)


def test_images_on_the_learned_scale_are_not_copied():
    for x in (*SAME_PICTURES.values(), PICTURES - 300.0):
        assert convert(x, x) is x


def test_an_image_is_converted_by_itself():
    dark = np.zeros((8, 9))
    mixed = np.stack([PICTURES[0] / 255, PICTURES[1] * 1.0, dark])
    found = convert(PICTURES, mixed)
    assert np.array_equal(found, np.stack([PICTURES[0], PICTURES[1], dark]))
    for i, image in enumerate(mixed):
        assert np.array_equal(convert(PICTURES, image[None])[0], found[i])


def test_images_of_different_sizes_are_converted():
    sizes = ragged_array([PICTURES[0], PICTURES[1, :, :8]])
    found = convert(sizes, ragged_array([PICTURES[0] / 255, PICTURES[1, :, :8] * np.uint16(257)]))
    assert all(np.array_equal(one, other) for one, other in zip(found, sizes, strict=True))


@pytest.mark.parametrize(
    ("learned", "x"),
    [
        (PICTURES, PICTURES / 127.5 - 1),
        (PICTURES, PICTURES * 16.0),
        (PICTURES, PICTURES - 1000.0),
        (PICTURES / 255, PICTURES / 127.5 - 1),
        (PICTURES / 255, PICTURES * 2.5),
        (PICTURES / 127.5 - 1, PICTURES),
        (PICTURES / 127.5 - 1, PICTURES * 1.0),
        (PICTURES.astype(np.int16) - 1000, PICTURES * np.uint16(16)),
        ((PICTURES > 99) * 1.0, PICTURES),
    ],
)
def test_images_that_cannot_have_the_learned_scale_are_refused(learned, x):
    with pytest.raises(InvalidInputError, match=r"must have the scale that the detector learned, .*Scale them like"):
        convert(learned, x)


@pytest.mark.parametrize(
    ("learned", "x"),
    [
        (PICTURES, PICTURES * 1.2 - 20.5),
        (PICTURES / 255, PICTURES / 255 + 3),
        (PICTURES * 10.0, PICTURES * 1e6),
        (PICTURES // 16 * 1.0, PICTURES // 16),
        ((PICTURES > 99) * 1.0, (PICTURES > 99).astype(np.uint8)),
        ((PICTURES > 99).astype(np.uint8), (PICTURES > 99) * 1.0),
    ],
)
def test_other_values_are_taken_as_they_are(learned, x):
    assert convert(learned, x) is x


def test_a_state_restores_the_scale():
    scale = PixelScale.of(PICTURES)
    assert PixelScale.from_state(scale.state()) == scale
    assert PixelScale.from_state(None) is None


PICTURE = np.random.default_rng(0).integers(0, 256, (4, 12, 12)).astype(np.uint8)
FORMS = {
    "8 bits": PICTURE,
    "16 bits": PICTURE * np.uint16(257),
    "12 bits": PICTURE * np.uint16(16),
    "whole numbers": PICTURE.astype(np.float64),
    "fractions": (PICTURE / 255).astype(np.float32),
    "from -1 to 1": PICTURE / 127.5 - 1,
    "mean 0": (PICTURE / 255 - 0.45) / 0.225,
}
SAME = {("8 bits", "16 bits"), ("8 bits", "whole numbers"), ("8 bits", "fractions"), ("16 bits", "8 bits")}
SAME |= {("16 bits", "fractions"), ("whole numbers", "8 bits"), ("whole numbers", "16 bits"), ("fractions", "8 bits")}
SAME |= {("whole numbers", "fractions"), ("fractions", "16 bits"), ("fractions", "whole numbers")}
UNDECIDABLE = {("16 bits", "12 bits"), ("12 bits", "16 bits"), ("12 bits", "whole numbers")}
UNDECIDABLE |= {(a, b) for a in ("from -1 to 1", "mean 0") for b in ("from -1 to 1", "mean 0", "fractions")}


@pytest.mark.parametrize("learned", FORMS)
@pytest.mark.parametrize("given", FORMS)
def test_a_picture_in_another_form_is_converted_or_refused(learned, given):
    scale = PixelScale.of(FORMS[learned])
    if learned == given or (learned, given) in SAME:
        np.testing.assert_allclose(scale.convert(FORMS[given]), FORMS[learned], rtol=1e-6)
    elif (learned, given) not in UNDECIDABLE:
        with pytest.raises(InvalidInputError, match="Images must have the scale that the detector learned"):
            scale.convert(FORMS[given])


def test_dark_and_black_pictures_of_another_type_are_converted():
    scale = PixelScale.of(PICTURE)
    for x in (PICTURE // 64, PICTURE // 16, np.zeros_like(PICTURE)):
        for form in (x * np.uint16(257), x.astype(float)):
            assert np.array_equal(scale.convert(form), x)
        np.testing.assert_allclose(scale.convert(x / 255), x, atol=1e-4)


def test_pictures_do_not_pass_for_measurements_of_another_scale():
    scale = PixelScale.of(np.linspace(20.5, 180.25, 64).reshape(1, 8, 8))
    for x in (PICTURE / 255, PICTURE * np.uint16(257)):
        with pytest.raises(InvalidInputError, match="Images must have the scale"):
            scale.convert(x)
    hot = np.full((1, 8, 8), 9999.5)
    assert scale.convert(hot) is hot, "a measurement may have any value"
