"""Types of the columns of CSV files."""

import pytest

from egbad.data.csv_layout import find_layout
from egbad.data.csv_options import CsvOptions
from egbad.data.csv_types import find_types
from egbad.errors import InvalidInputError


def types_of(tmp_path, cells, batch_bytes=256, labels=(), **options):
    path = tmp_path / "t.csv"
    path.write_text("a;b\n" + "".join(f"{cell};x\n" for cell in cells))
    return find_types(find_layout(path, CsvOptions(**options)), [0], batch_bytes, labels)


@pytest.mark.parametrize(
    ("cells", "column_type"),
    [
        (["1"] * 200 + ["2.5"], "number"),
        ([""] * 200 + ["7", "$8"], "number"),
        (["true"] * 200 + ["FALSE", "NA"], "boolean"),
        ((["2024-01-01"] * 3 + [""]) * 1000, "time"),
        (["2024-01-01"] * 200 + ["2024-01-01T10:00:00.5"], "time"),
        (["10:00"] * 20, "time of day"),
        (["NA"] * 200 + ["x"], "category"),
        (["1"] * 200 + ["x"] * 100, "category"),
        (["x"] * 200 + ["1"] * 10, "category"),
        ([""] * 200, None),
        (["NA", "-", ""] * 10, None),
    ],
)
def test_types_follow_from_all_rows(tmp_path, cells, column_type):
    assert find_types_of(tmp_path, cells) == column_type


def find_types_of(tmp_path, cells):
    return types_of(tmp_path, cells).types[0]


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (["1"] * 150 + ["1O5"] + ["2"] * 150, "Column 'a' .* must hold numbers, got '1O5' in row 150.*--missing '1O5'"),
        (["2024-01-01"] * 99 + ["2024-02-30"], "must hold times, got '2024-02-30' in row 99"),
        (["true"] * 99 + ["maybe"], "must hold booleans, got 'maybe' in row 99"),
    ],
)
def test_one_odd_cell_is_named(tmp_path, cells, message):
    with pytest.raises(InvalidInputError, match=message):
        types_of(tmp_path, cells)
    assert types_of(tmp_path, cells, missing=("1O5", "2024-02-30", "maybe")).types[0] != "category"


def test_labels_may_mix_numbers_and_text(tmp_path):
    assert types_of(tmp_path, ["0"] * 99 + ["attack"], labels=[0]).types == {0: "category"}


def test_unusual_marks_of_missing_values_are_told(tmp_path):
    assert types_of(tmp_path, ["1", "?", "-", "NA"]).marks == ("-", "?")
    assert types_of(tmp_path, ["x", "?", "-", "NA"]).marks == ()
