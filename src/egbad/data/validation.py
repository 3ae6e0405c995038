"""TODO."""

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from egbad.data.ragged import describe_shape, is_ragged
from egbad.errors import InvalidInputError

if TYPE_CHECKING:
    pass
from egbad.data.stream import MAX_IMAGE_SIDE, MIN_IMAGE_SIDE, Data


def column_names_message(unseen: list[str], missing: list[str]) -> str:
    """scikit-learn's words for column names that differ, so that code which knows them finds them here too."""
    lines = ["The feature names should match those that were passed during fit."]
    if unseen:
        lines += ["Feature names unseen at fit time:", *_listed(unseen)]
    if missing:
        lines += ["Feature names seen at fit time, yet now missing:", *_listed(missing)]
    if not unseen and not missing:
        lines.append("Feature names must be in the same order as they were in fit.")
    return "\n".join(lines) + "\n"


def _listed(names: list[str]) -> list[str]:
    return [f"- {name}" for name in sorted(names)[:5]] + (["- ..."] if len(names) > 5 else [])


def check_data(data: Data, max_side: int = MAX_IMAGE_SIDE, *, any_size: bool = False) -> None:
    """Refuse what no detector can take: wrong axes or sizes, nothing at all, infinity, and NaN in images, the first named.

    NaN in a table is a missing value. Images may be `max_side` pixels high and wide, and with `any_size` of different sizes.
    """
    x = data.x
    if is_ragged(x) and len(x):
        if not any_size:
            raise InvalidInputError(
                f"Images must be of one size, got {describe_shape(x)}. Resize them, or learn them by patches (Tiled, or --tile)."
            )
        _check_each(data, max_side)
        return
    if x.ndim not in (2, 3, 4):
        raise InvalidInputError(
            f"X must be rows (n, d) or images (n, h, w) or (n, c, h, w), got {x.ndim}D array instead of 2D array, 3D or "
            f"4D: shape {x.shape}. Reshape your data, with X.reshape(1, -1) if it is a single row."
        )
    if np.iscomplexobj(x):
        raise InvalidInputError("Complex data not supported: X must be real numbers.")
    if x.ndim == 2 and x.shape[1] == 0:
        raise InvalidInputError(f"Found array with 0 feature(s) (shape={x.shape}) while a minimum of 1 is required.")
    if len(x) == 0:
        raise InvalidInputError(f"Found array with 0 sample(s) (shape={x.shape}) while a minimum of 1 is required.")
    if x.ndim > 2 and not MIN_IMAGE_SIDE <= min(x.shape[-2:]) <= max(x.shape[-2:]) <= max_side:
        patches = (
            ", or learn them by patches (Tiled, or --tile)" if max_side == MAX_IMAGE_SIDE < max(x.shape[-2:]) else ""
        )
        raise InvalidInputError(
            f"Images must be {MIN_IMAGE_SIDE} to {max_side} pixels high and wide, got {x.shape[-2]} x {x.shape[-1]}. "
            f"Resize them{patches}."
        )
    if x.dtype.kind == "f" and not np.isfinite(x).all():
        bad = np.isinf(x) if x.ndim == 2 else ~np.isfinite(x)
        if not bad.any():
            return
        where = tuple(int(i) for i in np.argwhere(bad)[0])
        value = "NaN" if np.isnan(x[where]) else "infinity"
        column = f"column '{data.columns[where[1]]}'" if data.columns else f"column {where[1]}"
        place, what = (column, "finite or missing") if x.ndim == 2 else (f"pixel {where[1:]}", "finite")
        whose = f", of '{data.source}'" if data.source else ""
        raise InvalidInputError(
            f"X must be {what}, got {value} in row {data.first_row + where[0]}, {place}{whose}. Fill or drop such rows."
        )


def _check_each(data: Data, max_side: int) -> None:
    """Refuse images of different sizes of which one can't be taken, or that haven't all the same channels."""
    channels = data.x[0].shape[:-2]
    for i, image in enumerate(data.x):
        if image.shape[:-2] != channels:
            raise InvalidInputError(
                f"Images must all have the same channels, got shape {data.x[0].shape} and, in image {i}, {image.shape}. "
                "Bring them to grey or to colour."
            )
        check_data(replace(data, x=image[None], first_row=data.first_row + i), max_side)
