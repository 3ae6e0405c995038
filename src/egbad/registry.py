"""Every detector by the name that the command line and model files use."""

import os
from typing import Any

from egbad import persistence
from egbad.base import Detector
from egbad.blend import Blend
from egbad.detectors import METHODS
from egbad.errors import UnreadableFileError, unknown

AUTO = "auto"  # what suits the input


def all_detectors() -> dict[str, type[Detector[Any]]]:
    """Methods, and their blend."""
    return METHODS | {Blend.name: Blend}


def create(name: str, **options: Any) -> Detector[Any]:
    """A fresh detector by name; "auto" is the blend that suits the input.

    Raises
    ------
    InvalidInputError
        For a name or an option that doesn't exist, with the nearest that does.
    """
    detectors = all_detectors() | {AUTO: Blend}
    if name not in detectors:
        raise unknown("detector", name, detectors)
    known = detectors[name]().get_params(deep=False)
    for option in options:
        if option not in known:
            raise unknown("option", option, known)
    return detectors[name](**options)


def load(path: str | os.PathLike[str]) -> Detector[Any]:
    """Read a fitted detector from a file that `save` wrote. It never runs code from the file.

    Raises
    ------
    UnreadableFileError
        When the file is missing, no model, damaged, of a newer format or of an unknown detector.
    """
    manifest, arrays = persistence.read(path)
    detectors = all_detectors()
    if manifest.detector not in detectors:
        raise UnreadableFileError(
            f"{path} holds a detector '{manifest.detector}' that this release doesn't have. Upgrade egbad or fit again."
        )
    return detectors[manifest.detector].from_file(manifest, arrays)
