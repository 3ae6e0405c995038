"""Every detector by the name that the command line and model files use."""

import os
from typing import Any

from egbad import model_file
from egbad.detectors.base import Detector
from egbad.detectors.blend import Blend
from egbad.detectors.methods import METHODS
from egbad.detectors.tiled import Tiled
from egbad.errors import UnreadableFileError, unknown

AUTO = "auto"  # what suits the input


def all_detectors() -> dict[str, type[Detector[Any]]]:
    """Methods, their blend, and what learns images by patches."""
    return {**METHODS, Blend.name: Blend, Tiled.name: Tiled}


def create(name: str, **options: Any) -> Detector[Any]:
    """A fresh detector by name; "auto" is the blend that suits the input.

    Raises
    ------
    InvalidInputError
        For a name or an option that doesn't exist, with the nearest that does.
    """
    kind = _find(Blend.name if name == AUTO else name)
    if kind is None:
        raise unknown("detector", name, [*METHODS, Blend.name, Tiled.name, AUTO])
    detector = kind()
    known = detector.get_params()
    for option in options:
        if option not in known:
            raise unknown("parameter", option, known)
    return detector.set_params(**options)


def load(path: str | os.PathLike[str]) -> Detector[Any]:
    """Read a fitted detector from a file that `save` wrote. It never runs code from the file.

    Raises
    ------
    UnreadableFileError
        When the file is missing, no model, damaged, of a newer format or of an unknown detector.
    """
    manifest, arrays = model_file.read(path)
    kind = _find(manifest.detector)
    if kind is None:
        raise UnreadableFileError(
            f"{path} holds a detector '{manifest.detector}' that this release doesn't have. Upgrade egbad or fit again."
        )
    return kind.from_file(manifest, arrays)


def _find(name: str) -> type[Detector[Any]] | None:
    """A detector by name; the others are not imported."""
    composed: dict[str, type[Detector[Any]]] = {Blend.name: Blend, Tiled.name: Tiled}
    return composed.get(name) or METHODS.get(name)
