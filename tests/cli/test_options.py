"""Checks of shared options."""

from pathlib import Path

import pytest

from egbad.cli.options import check_engine, check_suffix, split_names
from egbad.errors import InvalidInputError


@pytest.mark.parametrize("option", ["--alpha", "--fdr"])
@pytest.mark.parametrize("value", [0, 1, 1.5])
def test_rates_outside_the_unit_interval_are_refused(refuse, option, value):
    message = refuse("score", "m.egbad", "d.csv", option, value)
    assert message == f"{option[2:]} must be in (0, 1), got {float(value)}."


def test_an_unknown_engine_is_refused():
    assert check_engine("local") == "local"
    with pytest.raises(InvalidInputError, match="There is no engine 'rya'. Did you mean 'ray'?"):
        check_engine("rya")


def test_file_names_with_an_unknown_suffix_are_refused():
    check_suffix(Path("REPORT.HTML"), (".html",), "a report")
    with pytest.raises(InvalidInputError, match="The file name of a report must end in .html, .md, got 'r.pdf'"):
        check_suffix(Path("folder/r.pdf"), (".html", ".md"), "a report")


def test_names_are_split_at_commas():
    assert split_names("") == []
    assert split_names("3 left, 4 left,") == ["3 left", "4 left"]
