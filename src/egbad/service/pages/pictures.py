"""Images of users as PNG files that a browser may show."""

import io
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image, ImageOps

from egbad.data.image_decoder import open_and_apply
from egbad.errors import InvalidInputError, UnreadableFileError
from egbad.plot.pixels import to_channels_first, to_pixels


def thumbnail(content: bytes, max_pixels: int, side: int) -> bytes:
    """Decode an image file and encode it as a PNG file of bounded size.

    A browser never receives the bytes of a user's file.

    Parameters
    ----------
    content : bytes
    max_pixels : int
        Images with more are not decoded.
    side : int
        Most pixels of the longer side.

    Returns
    -------
    bytes

    Raises
    ------
    InvalidInputError
        If the content is no image, or has too many pixels.
    """

    def convert(image: Image.Image) -> bytes:
        if image.width * image.height > max_pixels:
            raise InvalidInputError(f"An image must have at most {max_pixels:,} pixels to be shown.")
        upright = ImageOps.exif_transpose(image)
        if upright.mode.startswith(("I", "F")):  # more than 8 bits
            values = to_channels_first(np.asarray(upright)[None])[0]
            upright = Image.fromarray(to_pixels(values, float(values.min()), float(values.max())))
        shown = upright.convert("L" if upright.mode in ("1", "L") else "RGB")
        shown.thumbnail((side, side))
        file = io.BytesIO()
        shown.save(file, "PNG")
        return file.getvalue()

    with TemporaryDirectory(prefix="egbad-") as folder:
        path = Path(folder, "image.png")  # the content decides about the format
        path.write_bytes(content)
        found = open_and_apply(convert, path)
    if isinstance(found, UnreadableFileError):
        raise InvalidInputError("The image cannot be read.") from found
    return found
