"""Errors for files that cannot be read or have no rows."""

import numpy as np
import pyarrow as pa
import pytest

from egbad.data.file_errors import arrow_errors, no_rows_error, require_rows, unreadable_file_error
from egbad.data.stream import Data
from egbad.errors import InvalidInputError, UnreadableFileError


def test_the_error_for_a_damaged_file_has_the_first_line_of_its_reason(tmp_path):
    path = tmp_path / "t.csv"
    assert str(unreadable_file_error(path, ValueError("bad header.\nand more"))) == (
        f"'{path}' cannot be read as .csv: bad header. Check the file."
    )
    assert "EOFError" in str(unreadable_file_error(path, EOFError()))


def test_errors_of_arrow_become_errors_of_a_file(tmp_path):
    path = tmp_path / "t.parquet"
    path.write_bytes(b"x")
    with pytest.raises(UnreadableFileError, match="cannot be read as .parquet: broken"), arrow_errors(path):
        raise pa.ArrowInvalid("broken")
    path.write_bytes(b"")
    with pytest.raises(InvalidInputError, match="at least one row, got an empty file"), arrow_errors(path):
        raise pa.ArrowInvalid("broken")


def test_data_must_have_rows(tmp_path):
    data = Data(np.zeros((1, 2)))
    assert require_rows(tmp_path, data) is data
    with pytest.raises(InvalidInputError, match="at least one row, got an empty table"):
        require_rows(tmp_path, Data(np.zeros((0, 2))))
    assert "at least one row" in str(no_rows_error(tmp_path))
