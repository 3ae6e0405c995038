"""Every detector by the name that the command line and model files use."""

import os
from typing import Any

from egbad import model_file
from egbad.detectors.base import Detector
from egbad.detectors.blend import Blend
from egbad.detectors.methods import METHODS
from egbad.detectors.tiled import Tiled
from egbad.errors import InvalidInputError, UnreadableFileError, shorten, unknown
from egbad.model_file import Manifest
from egbad.nn.network_factory import NetworkFactory

AUTO = "auto"  # the blend, whose parts depend on the kind of input


def all_detectors() -> dict[str, type[Detector[Any]]]:
    """Return the class of every detector: methods, `Blend` and `Tiled`.

    Returns
    -------
    dict of str to type
    """
    return {**METHODS, Blend.name: Blend, Tiled.name: Tiled}


def detectors_of_rows() -> dict[str, type[Detector[Any]]]:
    """Return the class of every detector that learns tables as well as images.

    Returns
    -------
    dict of str to type
    """
    return {name: kind for name, kind in all_detectors().items() if kind.learns_rows}


def create(name: str, **parameters: Any) -> Detector[Any]:
    """Return a new detector.

    Parameters
    ----------
    name : str
        Name of a detector. "auto" is "blend", whose parts depend on the kind of input.
    **parameters
        Parameters of the detector, also nested ones such as ``training__steps``.

    Returns
    -------
    Detector

    Raises
    ------
    InvalidInputError
        If there is no detector or parameter of that name. The message suggests the closest one.

    Examples
    --------
    >>> from egbad.detectors.registry import create
    >>> create("knn", n_neighbors=3).n_neighbors
    3
    """
    detector_type = _find(Blend.name if name == AUTO else name)
    if detector_type is None:
        raise unknown("detector", name, [*METHODS, Blend.name, Tiled.name, AUTO])
    detector = detector_type()
    known = detector.get_params()
    for parameter in parameters:
        if parameter not in known:
            raise unknown("parameter", parameter, known)
    return detector.set_params(**parameters)


def load(path: str | os.PathLike[str], *, networks: NetworkFactory | None = None) -> Detector[Any]:
    """Read a fitted detector from a file that `save` wrote. Code in the file is never run.

    Parameters
    ----------
    path : str or path-like
    networks : callable, optional
        Function that built the networks of the detector, if they were not the built-in ones.

    Returns
    -------
    Detector

    Raises
    ------
    UnreadableFileError
        If the file is missing, damaged, no model file, of a newer format, of an unknown detector, or has other weights than
        `networks`.
    InvalidInputError
        If `networks` is missing, or the detector has the built-in ones.
    """
    manifest, arrays = model_file.read(path)
    detector_type = _find(manifest.detector)
    if detector_type is None:
        raise UnreadableFileError(
            f"{path} holds a detector '{shorten(manifest.detector)}', which this release does not have. "
            "Upgrade egbad or fit again."
        )
    _check_networks(manifest, networks, path)
    return detector_type.from_file(manifest, arrays, path, {} if networks is None else {"networks": networks})


def _check_networks(manifest: Manifest, networks: NetworkFactory | None, path: str | os.PathLike[str]) -> None:
    """Raise unless a function is given if and only if a manifest names one."""
    name = manifest.parameters.get("networks")
    if name is None and networks is not None:
        raise InvalidInputError(f"{path} holds a detector with built-in networks. Load it without networks.")
    if name is not None and networks is None:
        raise InvalidInputError(
            f"{path} holds the weights of your own networks, but no code. Pass the function that built them: "
            f"load(path, networks={shorten(str(name))})."
        )


def _find(name: str) -> type[Detector[Any]] | None:
    """Return the class of a detector, or None. Other methods are not imported."""
    composed: dict[str, type[Detector[Any]]] = {Blend.name: Blend, Tiled.name: Tiled}
    return composed.get(name) or METHODS.get(name)
