"""Tests of `egbad.preprocessing.settings_group`."""

import numpy as np
import pytest
from pydantic import Field

from egbad.errors import InvalidInputError
from egbad.preprocessing.settings_group import SettingsGroup, validated


class Sizes(SettingsGroup):
    width: int = Field(ge=1)
    depth: int = 2


def test_numpy_numbers_are_accepted():
    assert validated(Sizes, {"width": np.int64(3)}) == Sizes(width=3, depth=2)


@pytest.mark.parametrize(
    ("values", "message"),
    [({"width": 0}, r"^width: input should be greater than or equal to 1, got 0\.$"), ({"height": 1}, "^width: field")],
)
def test_errors_are_one_sentence(values, message):
    with pytest.raises(InvalidInputError, match=message):
        validated(Sizes, values)
