"""One method, one file. A new one is a line in `all_detectors`."""

import os
from typing import Any

from egbad import persistence
from egbad.base import Detector
from egbad.detectors.egbad import EGBAD
from egbad.errors import UnreadableFileError, unknown


def all_detectors() -> dict[str, type[Detector[Any]]]:
    """Every detector by the name that the command line and model files use."""
    return {detector.name: detector for detector in (EGBAD,)}


def create(name: str, **options: Any) -> Detector[Any]:
    """A fresh detector by name.

    Raises
    ------
    InvalidInputError
        For a name or an option that doesn't exist, with the nearest that does.
    """
    detectors = all_detectors()
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
