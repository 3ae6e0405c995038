"""Options of CSV files."""

import pytest

from egbad.data.csv_options import CsvDialect, CsvOptions
from egbad.errors import InvalidInputError


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"delimiter": "ab"}, "delimiter must be one sign such as ';' or '#', got 'ab'"),
        ({"comment": "x"}, "comment must be one sign"),
        ({"decimal": "x"}, "decimal mark must be '.' or ','"),
        ({"decimal": ",", "delimiter": "comma"}, "must differ, got ',' for both"),
        ({"missing": "NA"}, "must be a sequence of texts, got 'NA'"),
        ({"encoding": "latin1x"}, "no encoding 'latin1x'"),
    ],
)
def test_invalid_options_are_refused(options, message):
    with pytest.raises(InvalidInputError, match=message):
        CsvOptions(**options).check()


def test_delimiters_have_names():
    assert [CsvOptions(delimiter=name).check().delimiter for name in ("tab", "\\t", "semicolon", ";")] == [
        "\t",
        "\t",
        ";",
        ";",
    ]


def test_a_dialect_survives_json():
    dialect = CsvDialect("\t", ",", False, "#", "cp932", ("gone",))
    assert CsvDialect.from_json(dialect.to_json()) == dialect
    assert dialect.describe() == "delimiter tab, decimal comma, no header, comments after '#', encoding cp932"
    assert CsvDialect().describe() == ""
    with pytest.raises(InvalidInputError, match="decimal mark"):
        CsvDialect.from_json(CsvDialect(decimal="x").to_json())
