"""Conversion of reports to JSON types."""

import json
import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np


def to_jsonable(value: Any) -> Any:
    """Convert a value to JSON types: dict, list, str, int, float, bool and None.

    Dataclasses become dicts, arrays become lists, and numbers that are not finite become None. Values of any other type
    become their `str`.

    Parameters
    ----------
    value : object

    Returns
    -------
    object

    Examples
    --------
    >>> import numpy as np
    >>> to_jsonable({"scores": np.array([0.5, np.nan]), 1: (True, None)})
    {'scores': [0.5, None], '1': [True, None]}
    """
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_jsonable(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_jsonable(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return to_jsonable(value.tolist())
    if isinstance(value, list | tuple | set | frozenset):
        return [to_jsonable(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int | str) else str(value)


def dump_json(value: Any) -> str:
    """Write a value as indented, strict JSON that ends with a newline.

    Parameters
    ----------
    value : object
        Converted by `to_jsonable`.

    Returns
    -------
    str
    """
    return json.dumps(to_jsonable(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
