"""Parts of a detector in its model file."""

from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from egbad.arrays import State
from egbad.detectors.base.detector import Detector
from egbad.errors import InvalidEntryError, shorten
from egbad.model_file import Manifest, entries_within, with_prefix_removed

_BACKBONE = ".backbone."  # in the names of the weights of a backbone


class PartsState(BaseModel):
    """Parts of a blend by name, and their weights; and arrays that equal others, by the names of both."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)

    parts: dict[str, Manifest]
    weights: dict[str, Annotated[float, Field(gt=0)]]
    copies: dict[str, str] = {}  # older files lack it


class TilesState(BaseModel):
    """The detector of tiles."""

    model_config = ConfigDict(strict=True, extra="forbid")

    part: Manifest
    any_size: bool = False  # older files lack it


def without_copies(arrays: State) -> tuple[State, dict[str, str]]:
    """Leave out weights of a backbone that several parts have.

    Parameters
    ----------
    arrays : dict of str to ndarray
        Arrays of all parts.

    Returns
    -------
    arrays : dict of str to ndarray
    copies : dict of str to str
        For the name of each array left out, that of an equal one.
    """
    kept, copies, first = State(), dict[str, str](), dict[str, str]()
    for name, array in arrays.items():
        weight = name.partition(_BACKBONE)[2]
        source = first.setdefault(weight, name) if weight else name
        if source != name and np.array_equal(arrays[source], array):
            copies[name] = source
        else:
            kept[name] = array
    return kept, copies


def with_copies(arrays: State, copies: Mapping[str, str]) -> State:
    """Return all arrays, given what `without_copies` returned.

    Parameters
    ----------
    arrays : dict of str to ndarray
    copies : mapping of str to str

    Returns
    -------
    dict of str to ndarray

    Raises
    ------
    InvalidEntryError
        If an array to copy is missing, or a copy is there already.
    """
    if not any(_BACKBONE in name for name in arrays):
        return arrays  # the file refers to its backbones
    for name, source in copies.items():
        if source not in arrays or name in arrays:
            raise InvalidEntryError("state.method.copies", f"must name stored arrays, got '{shorten(source)}'")
    return arrays | {name: arrays[source] for name, source in copies.items()}


def restored_part(
    whole: Detector[Any],
    types: Mapping[str, type[Detector[Any]]],
    manifest: Manifest,
    arrays: State,
    prefix: str,
    shape: tuple[int, ...],
) -> Detector[Any]:
    """Return a part of a detector.

    Parameters
    ----------
    whole : Detector
        The detector, whose input is known.
    types : mapping of str to type of Detector
        Classes that a part may have, by name.
    manifest : Manifest
        Manifest of the part.
    arrays : dict of str to ndarray
        Arrays of all parts.
    prefix : str
        Beginning of the names of the part's arrays.
    shape : tuple of int
        Shape of a row or image that the part scores.

    Returns
    -------
    Detector

    Raises
    ------
    InvalidInputError
        If the content is not that of such a part.
    """
    with entries_within(prefix):
        if manifest.detector not in types:
            raise InvalidEntryError("detector", f"must be a method of this release, got '{shorten(manifest.detector)}'")
        part = types[manifest.detector].restored(manifest, with_prefix_removed(prefix, arrays))
        found, expected = (part.kind_, part.shape_, part.column_types_), (whole.kind_, shape, whole.column_types_)
        if found != expected:
            raise InvalidEntryError("state", f"must be that of a detector of {expected}, got {found}")
    return part
