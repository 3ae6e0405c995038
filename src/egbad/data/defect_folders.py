"""Folders of images laid out as MVTec AD: normal images to learn from, images to test with, and masks of their defects.

The layout (Bergmann et al., 2019, "MVTec AD") is::

    train/good/NAME.png
    test/good/NAME.png
    test/DEFECT/NAME.png
    ground_truth/DEFECT/NAME_mask.png

A mask may also have the name of its image. Defects without masks are allowed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from egbad.data.image_decoder import open_and_apply, read_header
from egbad.errors import InvalidInputError, UnreadableFileError
from egbad.output_files import printable

Result = TypeVar("Result")

GOOD = "good"  # folder, and so the label, of normal images
MASKS = "ground_truth"
_MASK_SUFFIXES = (".png", ".bmp", ".tif", ".tiff", ".jpg", ".jpeg", ".PNG", ".JPG")
_LOSSY_FORMATS = ("JPEG", "WEBP")
_HALF_WHITE = 127  # masks in lossy formats are above it in a defect


@dataclass(frozen=True)
class DefectFolder:
    """Folder of images laid out as MVTec AD.

    Attributes
    ----------
    path : Path
    """

    path: Path

    @property
    def train(self) -> Path:
        """Folder of normal images to learn from."""
        return self.path / "train" / GOOD

    @property
    def test(self) -> Path:
        """Folder with a folder of images for each defect, and one of normal images."""
        return self.path / "test"

    def mask_reader(self, file: str, *, normal: bool) -> Callable[[], NDArray[np.bool_]] | None:
        """Return a function that reads the mask of a test image.

        Parameters
        ----------
        file : str
            Path of the image, relative to the folder `test`.
        normal : bool
            True for an image without a defect.

        Returns
        -------
        callable or None
            Returns the mask as `read_mask` does, all False for a normal image. None if an image with a defect has no mask.
        """
        if normal:
            return partial(self._blank_mask, file)
        path = self._mask_path(Path(file))
        return None if path is None else partial(self.read_mask, path, file)

    def _blank_mask(self, file: str) -> NDArray[np.bool_]:
        return np.zeros(_read(_upright_size, self.test / file), dtype=np.bool_)

    def read_mask(self, path: Path, file: str) -> NDArray[np.bool_]:
        """Read a mask.

        Parameters
        ----------
        path : Path
        file : str
            Path of its image, relative to the folder `test`.

        Returns
        -------
        ndarray of bool of shape (h, w)
            True inside a defect: where the mask is not black.

        Raises
        ------
        UnreadableFileError
            If the mask or the image cannot be read.
        InvalidInputError
            If the mask has another size than the image.
        """
        mask, size = _read(_decode_mask, path), _read(_upright_size, self.test / file)
        if mask.shape != size:
            raise InvalidInputError(
                f"A mask must have the size of its image, {size[0]} x {size[1]} pixels, got {mask.shape[0]} x "
                f"{mask.shape[1]} in '{printable(path)}'. Resize it without interpolation."
            )
        return mask

    def _mask_path(self, file: Path) -> Path | None:
        """Return the path of the mask of an image, None if there is none."""
        folder = self.path / MASKS / file.parent
        names = (f"{file.stem}{end}{suffix}" for suffix in _MASK_SUFFIXES for end in ("_mask", ""))
        return next((folder / name for name in names if (folder / name).is_file()), None)


def find_defect_folder(path: Path) -> DefectFolder | None:
    """Return the folder of images at a path if it is laid out as MVTec AD.

    Parameters
    ----------
    path : Path

    Returns
    -------
    DefectFolder or None
        None unless the path has the folders train/good and test.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as name:
    ...     root = Path(name)
    ...     (root / "train" / "good").mkdir(parents=True)
    ...     first = find_defect_folder(root)
    ...     (root / "test").mkdir()
    ...     first is None, find_defect_folder(root).test == root / "test"
    (True, True)
    """
    folder = DefectFolder(path)
    return folder if folder.train.is_dir() and folder.test.is_dir() else None


def _read(function: Callable[[Image.Image], Result], path: Path) -> Result:
    """Return the result of a function of an opened image."""
    result = open_and_apply(function, path)
    if isinstance(result, UnreadableFileError):
        raise result
    return result


def _upright_size(image: Image.Image) -> tuple[int, int]:
    header = read_header(image)
    return header.height, header.width


def _decode_mask(image: Image.Image) -> NDArray[np.bool_]:
    """Decode a mask, where black is normal."""
    black = _HALF_WHITE if image.format in _LOSSY_FORMATS else 0
    if image.mode in ("1", "L", "I", "F") or image.mode.startswith("I;16"):
        return np.asarray(np.asarray(image) > black)
    return np.asarray(np.asarray(image.convert("RGB")).max(axis=2) > black)
