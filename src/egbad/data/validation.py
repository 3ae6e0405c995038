"""Checks of rows and images that every detector makes before it fits or scores."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from egbad.data.column_roles import list_names
from egbad.data.column_types import ColumnTypes
from egbad.data.ragged import describe_shape, is_ragged
from egbad.data.stream import MAX_IMAGE_SIDE, MIN_IMAGE_SIDE, Data
from egbad.errors import InvalidInputError, shorten, unknown

_MAX_LISTED_NAMES = 5
MAX_LEARNED = 1e150  # its square is finite in double precision
# Pixels are computed in single precision.
_MAX_LEARNED_PIXEL, _MIN_PIXEL_SPAN, _MIN_RELATIVE_PIXEL_SPAN = 1e30, 1e-30, 2**-16


def column_names_message(unseen: list[str], missing: list[str]) -> str:
    """Describe column names that differ from those at fit time, in scikit-learn's words.

    Code that looks for scikit-learn's message finds it here too.

    Parameters
    ----------
    unseen : list of str
        Names that were not there at fit time.
    missing : list of str
        Names that were there at fit time only.

    Returns
    -------
    str
    """
    lines = ["The feature names should match those that were passed during fit."]
    if unseen:
        lines += ["Feature names unseen at fit time:", *_list_names(unseen)]
    if missing:
        lines += ["Feature names seen at fit time, yet now missing:", *_list_names(missing)]
    if not unseen and not missing:
        lines.append("Feature names must be in the same order as they were in fit.")
    return "\n".join(lines) + "\n"


def _list_names(names: list[str]) -> list[str]:
    """Return one line per name, shortened after a few."""
    more = ["- ..."] if len(names) > _MAX_LISTED_NAMES else []
    return [f"- {shorten(name)}" for name in sorted(names)[:_MAX_LISTED_NAMES]] + more


def check_column_names(column_types: ColumnTypes | None, data: Data) -> None:
    """Check that data have all columns that types or roles are given for.

    Parameters
    ----------
    column_types : mapping or sequence of str, optional
        A sequence is not checked.
    data : Data

    Raises
    ------
    InvalidInputError
        For a name that is no column, with the nearest one that is.
    """
    known = (*(data.columns or ()), *data.roles.names)
    for name in column_types if isinstance(column_types, Mapping) else ():
        if name not in known:
            raise unknown("column", name, known)


def check_data(data: Data, max_side: int = MAX_IMAGE_SIDE, *, any_size: bool = False) -> None:
    """Check that rows or images have a valid shape and valid numbers.

    A table may contain NaN for missing values, an image may not.

    Parameters
    ----------
    data : Data
    max_side : int
        Maximal height and width of images in pixels.
    any_size : bool
        True to allow images of different sizes.

    Raises
    ------
    InvalidInputError
        For a wrong number of axes, an unsupported size of images, complex numbers, no rows or no columns, infinity, or
        NaN in an image. The message names the first invalid value.
    """
    x = data.x
    if is_ragged(x) and len(x):
        if not any_size:
            raise InvalidInputError(
                f"Images must have the same size, got {describe_shape(x)}. Resize them, or use patches (Tiled, or --tile)."
            )
        _check_ragged(data, max_side)
        return
    _check_shape(data, max_side)
    if x.dtype.kind == "f" and not np.isfinite(x).all():
        _check_finite(data)


def check_range(data: Data) -> None:
    """Check that the range of each column and its square can be computed in double precision.

    Parameters
    ----------
    data : Data
        Rows to learn from. Images are not checked.

    Raises
    ------
    InvalidInputError
        If a number is too large. The message names the largest one.
    """
    x = data.x
    # Single precision has no MAX_LEARNED to compare with, so that the extremes become Python floats.
    if x.ndim != 2 or x.dtype.kind != "f" or max(-float(x.min(initial=0)), float(x.max(initial=0))) <= MAX_LEARNED:
        return
    size = np.nan_to_num(np.abs(x))
    if float(size.max()) <= MAX_LEARNED:
        return
    i, j = (int(k) for k in np.unravel_index(size.argmax(), x.shape))
    column = f"column '{shorten(data.columns[j])}'" if data.columns else f"column {j}"
    raise InvalidInputError(
        f"Numbers to learn from must lie between {-MAX_LEARNED:g} and {MAX_LEARNED:g}, got {x[i, j]:g} in row "
        f"{data.first_row + i}, {column}. Rescale the column or drop such rows."
    )


def check_pixel_range(low: float, high: float) -> None:
    """Check that single precision can tell pixel values of a range apart.

    Parameters
    ----------
    low, high : float
        Smallest and largest value of the images to learn from.

    Raises
    ------
    InvalidInputError
        If the values are too large, or differ too little although not all are equal.
    """
    size, span = max(-low, high), high - low
    if size > _MAX_LEARNED_PIXEL or 0 < span < max(_MIN_PIXEL_SPAN, _MIN_RELATIVE_PIXEL_SPAN * size):
        raise InvalidInputError(
            f"Pixel values to learn from must lie between {-_MAX_LEARNED_PIXEL:g} and {_MAX_LEARNED_PIXEL:g}, and their "
            f"range must be at least {_MIN_PIXEL_SPAN:g} and 1/65536 of the largest, got {low:.9g} to {high:.9g}. Rescale "
            "the images, or subtract an offset from all of them."
        )


def _check_shape(data: Data, max_side: int) -> None:
    """Check the axes and the size of an array; the messages contain what scikit-learn's estimator checks look for."""
    x = data.x
    if x.ndim not in (2, 3, 4):
        raise InvalidInputError(
            "X must be rows (n, d) or images (n, h, w), (n, c, h, w) or (n, h, w, c), "
            f"got {x.ndim}D array instead of 2D array, 3D or 4D: "
            f"shape {x.shape}. Reshape your data, with X.reshape(1, -1) if it is a single row."
        )
    if np.iscomplexobj(x):
        raise InvalidInputError("Complex data not supported: X must be real numbers.")
    if x.ndim == 2 and x.shape[1] == 0 and data.roles.names:
        raise InvalidInputError(
            f"At least one column must be left to score, got only columns that are ids, labels or left out: "
            f"{list_names(data.roles.names)}."
        )
    if x.ndim == 2 and x.shape[1] == 0:
        raise InvalidInputError(f"Found array with 0 feature(s) (shape={x.shape}) while a minimum of 1 is required.")
    if len(x) == 0:
        raise InvalidInputError(f"Found array with 0 sample(s) (shape={x.shape}) while a minimum of 1 is required.")
    if x.ndim > 2:
        _check_sides(x.shape, max_side)


def _check_sides(shape: tuple[int, ...], max_side: int) -> None:
    """Check height and width of images of shape (..., h, w)."""
    height, width = shape[-2:]
    if not MIN_IMAGE_SIDE <= min(height, width) <= max(height, width) <= max_side:
        patches_help = max_side == MAX_IMAGE_SIDE < max(height, width)
        raise InvalidInputError(
            f"Images must be {MIN_IMAGE_SIDE} to {max_side} pixels high and wide, got {height} x {width}. "
            f"Resize them{', or use patches (Tiled, or --tile)' if patches_help else ''}."
        )


def _check_finite(data: Data) -> None:
    """Check numbers, at least one of which is not finite, and name the first invalid one."""
    x = data.x
    invalid = np.isinf(x) if x.ndim == 2 else ~np.isfinite(x)
    if not invalid.any():
        return
    position = tuple(int(i) for i in np.argwhere(invalid)[0])
    value = "NaN" if np.isnan(x[position]) else "infinity"
    column = f"column '{shorten(data.columns[position[1]])}'" if data.columns else f"column {position[1]}"
    place, requirement = (column, "finite or missing") if x.ndim == 2 else (f"pixel {position[1:]}", "finite")
    source = f", of '{data.source}'" if data.source else ""
    raise InvalidInputError(
        f"X must be {requirement}, got {value} in row {data.first_row + position[0]}, {place}{source}. "
        "Fill or drop such rows."
    )


def _check_ragged(data: Data, max_side: int) -> None:
    """Check images of different sizes one by one."""
    channels = data.x[0].shape[:-2]
    for i, image in enumerate(data.x):
        if image.shape[:-2] != channels:
            raise InvalidInputError(
                f"Images must have the same channels, got shape {data.x[0].shape} and {image.shape} in image {i}. "
                "Convert them to greyscale or to colour."
            )
        if isinstance(image, np.ndarray):
            check_data(replace(data, x=image[None], first_row=data.first_row + i), max_side)
        else:  # a lazy image, whose values were checked when its file was first read
            _check_sides(image.shape, max_side)
