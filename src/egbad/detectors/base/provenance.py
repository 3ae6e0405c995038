"""Seed and library versions of a fit."""

import platform
from importlib.metadata import version
from typing import Any

import numpy as np
import sklearn
import torch

from egbad.errors import InvalidInputError


def seed_of(random_state: Any) -> int:
    """Return one seed for an int, a NumPy generator or None.

    NumPy's global generator is neither read nor advanced.

    Raises
    ------
    InvalidInputError
        If `random_state` is none of these.
    """
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
    """Return the versions of the libraries that a score depends on."""
    return {
        "egbad": version("egbad"),
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "numpy": np.__version__,
        "scikit-learn": sklearn.__version__,
    }
