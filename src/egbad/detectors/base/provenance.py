"""Where a detector comes from: its seed, the releases that it was made with, its parameters as JSON has them."""

import platform
from importlib.metadata import version
from typing import Any

import numpy as np
import sklearn
import torch

from egbad.errors import InvalidInputError


def to_jsonable(value: Any) -> Any:
    """A parameter as JSON gives it back."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    return [to_jsonable(v) for v in value] if isinstance(value, tuple | list) else value


def seed_of(random_state: Any) -> int:
    """One seed from an int, a RandomState or nothing; numpy's global state is neither read nor moved."""
    if random_state is None:
        return int(np.random.SeedSequence().generate_state(1)[0])
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(2**31))
    if isinstance(random_state, np.random.Generator):
        return int(random_state.integers(2**31))
    if isinstance(random_state, int | np.integer) and random_state >= 0:
        return int(random_state)
    raise InvalidInputError(
        f"random_state must be a non-negative int, a numpy generator or None, got {random_state!r}."
    )


def versions() -> dict[str, str]:
    """The releases that a score depends on."""
    return {
        "egbad": version("egbad"),
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "numpy": np.__version__,
        "scikit-learn": sklearn.__version__,
    }
