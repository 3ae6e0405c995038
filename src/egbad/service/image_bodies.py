"""Bodies that are images: one file, several in an archive, or several in base64."""

import io
import time
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import replace
from http import HTTPStatus
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

from egbad.data import BatchSizes, Data, read
from egbad.data.image_decoder import open_and_apply, read_header
from egbad.errors import EgbadError, InvalidInputError, UnreadableFileError, shorten
from egbad.service.bodies import InputReader, Submission
from egbad.service.problems import ProblemError
from egbad.service.scoring import data_key, join_data

_BATCH_SIZES = BatchSizes(process_pixels=2**62)  # no worker processes: the service has threads
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ZIP_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    RuntimeError,
    NotImplementedError,
    OSError,
    EOFError,
    ValueError,
    KeyError,
)


def read_image_files(
    reader: InputReader, contents: Sequence[bytes], deadline: float, names: Sequence[str] = ()
) -> Submission:
    """Decode image files, each as the library decodes it alone.

    Parameters
    ----------
    reader : InputReader
    contents : sequence of bytes
    deadline : float
        Time of `time.monotonic` at which reading stops.
    names : sequence of str
        Names of the files, which answers repeat as "id".

    Returns
    -------
    Submission

    Raises
    ------
    InvalidInputError, ProblemError
        If a file is no image, has too many pixels, or the time is over.
    """
    reader.require("images")
    reader.check_count(len(contents))
    images, media_types = [], []
    with TemporaryDirectory(prefix="egbad-") as folder:
        for i, content in enumerate(contents):
            if time.monotonic() > deadline:
                raise ProblemError(
                    HTTPStatus.GATEWAY_TIMEOUT, "The images take too long to decode. Send fewer at a time."
                )
            path = Path(folder, "image.png")  # the content decides about the format
            path.write_bytes(content)
            try:
                media_types.append(_check_header(path, reader.settings.max_pixels))
                images.append(_decode(reader, path))
            except EgbadError as error:
                name = f"Image {i}" if not names else f"'{shorten(names[i])}'"
                raise InvalidInputError(_renamed(error, path, name)) from error
    pieces = [join_data([*group]) for _, group in groupby(images, key=data_key)]
    repeated = [{"id": name} for name in names]
    return Submission(pieces, repeated, lambda i: (contents[i], media_types[i]))


def read_zip(reader: InputReader, content: bytes, deadline: float) -> Submission:
    """Decode the images of a zip archive.

    Parameters
    ----------
    reader : InputReader
    content : bytes
    deadline : float
        Time of `time.monotonic` at which reading stops.

    Returns
    -------
    Submission
        In the order of the archive. Answers repeat the names as "id".

    Raises
    ------
    InvalidInputError, ProblemError
        If the archive is damaged, or exceeds a limit.
    """
    reader.require("images")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            # Not is_dir(), which fails on an entry without a name.
            entries = [entry for entry in archive.infolist() if not entry.filename.endswith("/")]
            reader.check_count(len(entries))
            return read_image_files(
                reader, _extract(archive, entries, reader.settings.max_body), deadline, [e.filename for e in entries]
            )
    except EgbadError:
        raise
    except _ZIP_ERRORS as error:
        raise InvalidInputError("The body must be a zip archive of images, got one that cannot be read.") from error


def _extract(archive: zipfile.ZipFile, entries: Sequence[zipfile.ZipInfo], max_bytes: int) -> list[bytes]:
    """Return the contents of an archive's entries, of bounded size whatever its directory says."""
    contents, left = list[bytes](), max_bytes
    for entry in entries:
        if entry.compress_type not in _METHODS:
            raise InvalidInputError("Entries of a zip archive must be stored or deflated, got another compression.")
        with archive.open(entry) as file:
            content = file.read(left + 1)
        left -= len(content)
        if left < 0:
            raise ProblemError(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"The images of an archive may have at most {max_bytes:,} bytes."
            )
        contents.append(content)
    return contents


def _check_header(path: Path, max_pixels: int) -> str:
    """Return the media type of an image, after a check that it has not too many pixels."""

    def inspect(image: Image.Image) -> tuple[int, str]:
        header = read_header(image)
        return header.height * header.width, Image.MIME.get(image.format or "", "application/octet-stream")

    found = open_and_apply(inspect, path)
    if isinstance(found, UnreadableFileError):
        raise found
    pixels, media_type = found
    if pixels > max_pixels:
        raise InvalidInputError(f"'{path}' must have at most {max_pixels:,} pixels, got {pixels:,}. Make it smaller.")
    return media_type


def _decode(reader: InputReader, path: Path) -> Data:
    """Decode an image at the size that the model needs."""
    return replace(read([path], **reader.options, batch_sizes=_BATCH_SIZES), files=None)


def _renamed(error: EgbadError, path: Path, name: str) -> str:
    """Return the message of an error about a temporary file, with a name that the client knows."""
    return str(error).replace(f"'{path}'", name).replace(" (--skip-unreadable)", "").replace(", or skip such files", "")
