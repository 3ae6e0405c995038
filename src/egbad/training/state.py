"""State of a training run as named tensors, and JSON values among them."""

import json
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

StateDict = dict[str, Tensor]


def with_prefix(prefix: str, state: Mapping[str, Tensor]) -> StateDict:
    """Return the state with `prefix` before each name.

    Parameters
    ----------
    prefix : str
    state : mapping of str to Tensor

    Returns
    -------
    dict of str to Tensor
    """
    return {prefix + name: value for name, value in state.items()}


def without_prefix(prefix: str, state: Mapping[str, Tensor]) -> StateDict:
    """Return the entries whose names begin with `prefix`, under the rest of their names.

    Parameters
    ----------
    prefix : str
    state : mapping of str to Tensor

    Returns
    -------
    dict of str to Tensor
    """
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}


def json_to_tensor(value: Any) -> Tensor:
    """Encode a JSON value as a tensor of bytes.

    Parameters
    ----------
    value : JSON value

    Returns
    -------
    Tensor of uint8 of shape (n_bytes,)
    """
    return torch.tensor([*json.dumps(value).encode()], dtype=torch.uint8)


def json_from_tensor(tensor: Tensor) -> Any:
    """Decode a tensor written by `json_to_tensor`.

    Parameters
    ----------
    tensor : Tensor of uint8 of shape (n_bytes,)

    Returns
    -------
    JSON value
    """
    return json.loads(bytes(tensor.tolist()))
