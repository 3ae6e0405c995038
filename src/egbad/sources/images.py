"""Folders of images."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from egbad.errors import InvalidInputError, UnreadableFileError
from egbad.sources.data import Array, Data

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp")
FOLDER_LABELS = "folder"  # the label column of a folder of images: the name of the folder that a file lies in


def holds_images(folder: Path) -> bool:
    """Whether there is an image in a folder, at any depth."""
    return any(p.suffix.lower() in SUFFIXES for p in folder.rglob("*"))


def read_images(folder: Path, label_column: str | None, size: tuple[int, int] | None) -> Data:
    """All images of a folder, at any depth, in the order of their paths."""
    if label_column not in (None, FOLDER_LABELS):
        raise InvalidInputError(
            f"A folder of images has the label column '{FOLDER_LABELS}' only, the name of each image's folder, "
            f"got '{label_column}'."
        )
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
    if not paths:
        raise InvalidInputError(
            f"'{folder}' must hold tables (.csv, .parquet) or images ({', '.join(SUFFIXES)}), got none."
        )
    images = _images(paths, size)
    labels = np.array([p.parent.name for p in paths]) if label_column else None
    return Data(images, files=tuple(str(p.relative_to(folder)) for p in paths), labels=labels)


def _images(paths: Sequence[Path], size: tuple[int, int] | None) -> Array:
    """All images, in colour (n, 3, h, w) if any of them is, else grey (n, h, w)."""
    arrays = [_image(path, size) for path in paths]
    if any(a.ndim == 3 for a in arrays):
        arrays = [a if a.ndim == 3 else np.repeat(a[None], 3, axis=0) for a in arrays]
    for path, a in zip(paths, arrays, strict=True):
        if a.shape != arrays[0].shape:
            h, w = a.shape[-2:]
            raise InvalidInputError(
                f"Images must have one size: '{paths[0].name}' has {arrays[0].shape[-2]} x {arrays[0].shape[-1]} pixels, "
                f"'{path.name}' {h} x {w}. Give a size to bring them to (--image-size, or image_size)."
            )
    return np.stack(arrays)


def _image(path: Path, size: tuple[int, int] | None) -> Array:
    """One image: (h, w) if it is grey, else (3, h, w); 8 bit, or 16 bit where the file has them."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            deep = image.mode.startswith("I;16") or image.mode == "I"
            grey = deep or image.mode in ("1", "L", "LA", "F")
            converted = image.convert("F") if deep else image.convert("L" if grey else "RGB")
            if size is not None:
                converted = converted.resize((size[1], size[0]), Image.Resampling.LANCZOS)
            a = np.asarray(converted)
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise UnreadableFileError(f"'{path}' can't be read as an image: {error}. Mend or remove it.") from error
    if deep:
        a = np.clip(np.round(a), 0, 65535).astype(np.uint16)
    return a if grey else np.moveaxis(a, 2, 0)
