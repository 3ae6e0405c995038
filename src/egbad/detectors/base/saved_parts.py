"""Parts of a detector in its model file."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from egbad.arrays import State
from egbad.detectors.base.detector import Detector
from egbad.errors import InvalidEntryError, shorten
from egbad.model_file import Manifest, entries_within, with_prefix_removed


class PartsState(BaseModel):
    """Parts of a blend by name, and their weights."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)

    parts: dict[str, Manifest]
    weights: dict[str, Annotated[float, Field(gt=0)]]


class TilesState(BaseModel):
    """The detector of tiles."""

    model_config = ConfigDict(strict=True, extra="forbid")

    part: Manifest
    any_size: bool = False  # older files lack it


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
