"""Checks of the networks in a model file, before they are built with the memory that they take."""

from collections.abc import Callable
from math import inf
from typing import Annotated, Any

import torch
from pydantic import BaseModel, ConfigDict, Field

from egbad.arrays import ArraySpec, State
from egbad.detectors.base.model import Model
from egbad.errors import InvalidEntryError
from egbad.scoring.learned_rows import DIGESTS

VALIDATION_ROWS = ArraySpec(DIGESTS.dtype, DIGESTS.shape, empty=True)


class EnsembleState(BaseModel):
    """Seed of each member, and messages about training."""

    model_config = ConfigDict(strict=True, extra="forbid")

    seeds: Annotated[tuple[Annotated[int, Field(ge=0, lt=2**63)], ...], Field(min_length=1)]
    health: list[str]


def check_members(weights: State, n_members: int) -> None:
    """Check that arrays hold an entry for each member.

    Parameters
    ----------
    weights : dict of str to ndarray
    n_members : int

    Raises
    ------
    InvalidEntryError
        If one does not, so that the number of networks to build is bounded by the size of the file.
    """
    if not weights:
        raise InvalidEntryError("", "must hold the weights of networks, got none")
    for name, array in weights.items():
        if array.shape[:1] != (n_members,):
            raise InvalidEntryError(
                name, f"must have an entry for each of {n_members} members, got shape {array.shape}"
            )


def array_specs(build: Callable[[], Model[Any]]) -> dict[str, ArraySpec]:
    """Return what the arrays of networks must be.

    Parameters
    ----------
    build : callable
        Returns networks of the same settings. It is called on the device "meta", where networks take no memory.

    Returns
    -------
    dict of str to ArraySpec
        By the names of `state_dict`.

    Raises
    ------
    InvalidEntryError
        If there are no networks of these settings, for example because their sizes are too large.
    """
    try:
        with torch.device("meta"):
            model = build()
    except (RuntimeError, TypeError, ArithmeticError) as error:
        raise InvalidEntryError("state.settings", "must describe networks that can be built for the input") from error
    limits = {
        f"{prefix}.{name}".lstrip("."): bounds
        for prefix, module in model.named_modules()
        for name, bounds in getattr(module, "value_limits", {}).items()
    }
    return {
        name: ArraySpec(str(value.dtype).removeprefix("torch."), tuple(value.shape), *limits.get(name, (-inf, inf)))
        for name, value in model.state_dict().items()
    }


def history_specs(history: State) -> dict[str, ArraySpec]:
    """Return what the arrays of loss curves must be.

    Parameters
    ----------
    history : dict of str to ndarray
        Loss curves by player, and "step" unless they are empty.

    Returns
    -------
    dict of str to ArraySpec
        With the number of members as "n_members".
    """
    step = {"step": ArraySpec("int64", ("n_records",), low=0)} if history else {}
    curves = {name: ArraySpec("float32", ("n_records", "n_members"), finite=False) for name in history}
    return curves | step
