"""Values become strict JSON."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from egbad.report.serialization import dump_json, to_jsonable


@dataclass(frozen=True)
class Point:
    x: float
    names: tuple[str, ...]


def test_dataclasses_arrays_and_other_types_become_json_types():
    value = {"point": Point(np.float64(1.5), ("a",)), 2: np.array([[1, 2]]), "path": Path("p"), "set": {3}}
    assert to_jsonable(value) == {"point": {"x": 1.5, "names": ["a"]}, "2": [[1, 2]], "path": "p", "set": [3]}


def test_numbers_that_are_not_finite_become_null():
    text = dump_json({"values": np.array([np.nan, np.inf, 1.0])})
    assert json.loads(text, parse_constant=pytest.fail) == {"values": [None, None, 1.0]}
    assert text.endswith("\n")
