"""What a command makes or loads: a detector, and with it the libraries that it stands on."""

import gc
import json
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from egbad.errors import InvalidInputError

if TYPE_CHECKING:
    from egbad.detectors.base import Detector
    from egbad.export.onnx_scorer import OnnxScorer

_OF_PATCHES = {"recipe", "preprocessing"}  # parameters that both have, and the part uses


def load_model(path: Path) -> "Detector[Any] | OnnxScorer":
    """A fitted detector, or an exported graph, with the errors that `egbad.load` has."""
    with _uncollected():
        from egbad.export.onnx_scorer import SUFFIX

        if path.suffix.lower() != SUFFIX:  # a graph needs none of them
            _import_libraries()
        from egbad import load

        return load(path)


def make_detector(name: str, settings: dict[str, Any]) -> "Detector[Any]":
    """A fresh detector by name; a setting's value must be of the kind that its default is.

    Raises
    ------
    InvalidInputError
        For a detector or setting that doesn't exist, or a value of the wrong kind.
    """
    with _uncollected():
        _import_libraries()
        from egbad.detectors import registry

        settings = {option.replace(".", "__"): value for option, value in settings.items()}
        detector = registry.create(name, **settings)
    defaults = type(detector)().get_params()
    for option, value in settings.items():
        kind = _kind_wanted(defaults[option], value)
        if kind:
            raise InvalidInputError(f"{option} must be {kind}, got {json.dumps(value)}.")
    return detector


def make_tiled(name: str, settings: dict[str, Any], size: int) -> "Detector[Any]":
    """The same detector for patches of `size` pixels; alpha and seed are the whole image's."""
    with _uncollected():
        _import_libraries()
        from egbad.detectors.blend import Blend
        from egbad.detectors.registry import AUTO
        from egbad.detectors.tiled import Tiled

    part = Blend.name if name == AUTO else name
    own = set(Tiled().get_params(deep=False)) - _OF_PATCHES
    settings = {option.replace(".", "__"): value for option, value in settings.items()}
    shared = {option: value for option, value in settings.items() if option.split("__")[0] in own}
    others = {option: value for option, value in settings.items() if option.split("__")[0] not in own}
    make_detector(part, others)  # refuses what doesn't exist
    return make_detector(Tiled.name, {"detector": part, "detector_params": others or None, "tile_size": size} | shared)


def _kind_wanted(default: Any, value: Any) -> str | None:
    """What `value` should have been, judged by its default; None if it is."""
    if isinstance(default, bool):
        return None if isinstance(value, bool) else "true or false"
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if isinstance(default, int):
        return None if number and isinstance(value, int) else "a whole number"
    if isinstance(default, float):
        return None if number else "a number"
    if isinstance(default, str):
        return None if isinstance(value, str) else "text"
    return None


@contextmanager
def _uncollected() -> Iterator[None]:
    """What is imported here stays as long as the process: Python doesn't look through it for what could be freed.

    It otherwise does so again and again while libraries are imported, and once more at the process's end, which takes a
    third of the time of scoring one row.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


class _Later(ModuleType):
    """A module that is imported when something of it is first used."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name != "__path__":  # who looks through all modules asks for names like these
            raise AttributeError(name)
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(import_module(self.__name__), name)


def _import_libraries() -> None:
    """Import what takes longest.

    On a stack of its own: deep in a command's, CPython 3.11 has calls at the edge of a piece of its stack where each maps
    memory anew, and SciPy's import makes thousands of them there. Without SciPy's statistics, which scikit-learn imports
    for one function that no detector calls: they take half of the time.
    """

    def libraries() -> None:
        import torch  # noqa: F401, I001, sooner had before scikit-learn
        import sklearn.base  # noqa: F401

    sys.modules.setdefault("scipy.stats", _Later("scipy.stats"))
    with ThreadPoolExecutor(1) as apart:
        apart.submit(libraries).result()
