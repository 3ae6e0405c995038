"""Error types and the sentences that they have in common."""

import importlib.util
import pickle

import pytest

from egbad import errors
from egbad.errors import (
    EgbadError,
    InvalidInputError,
    MissingExtraError,
    escape_controls,
    require_extra,
    shorten,
    unknown,
)


def test_every_error_is_an_egbad_error_and_a_standard_one():
    standard = {"InvalidInputError": ValueError, "InvalidTypeError": TypeError, "DownloadError": OSError}
    standard |= {"TrainingError": RuntimeError, "MissingExtraError": ImportError, "UnreadableFileError": ValueError}
    for name, base in standard.items():
        assert issubclass(getattr(errors, name), EgbadError) and issubclass(getattr(errors, name), base)


def test_a_missing_extra_names_packages_and_the_command_that_installs_them():
    with pytest.raises(
        MissingExtraError, match=r"Tuning needs no_such_package, which is not installed.*'egbad\[tune\]'"
    ):
        require_extra("Tuning", "tune", "json", "no_such_package")


def test_installed_packages_satisfy_an_extra():
    assert importlib.util.find_spec("json")
    require_extra("Tuning", "tune", "json")


def test_an_unknown_name_suggests_the_nearest_whatever_its_case():
    error = unknown("detector", "EGBDA", ["egbad", "knn"])
    assert isinstance(error, InvalidInputError)
    assert str(error) == "There is no detector 'EGBDA'. Did you mean 'egbad'? Known: egbad, knn."


def test_an_unknown_name_like_no_other_has_no_suggestion():
    assert str(unknown("detector", "zzz", ["egbad", "knn"])) == "There is no detector 'zzz'. Known: egbad, knn."


def test_control_characters_are_escaped():
    assert escape_controls("a\x1b[31mb\x07\x9b\u202e\u2028ü漢") == r"a\u001b[31mb\u0007\u009b\u202e\u2028ü漢"


def test_long_values_and_messages_lose_their_middle():
    assert shorten("a" * 80) == "a" * 80
    assert len(shorten("a" * 2_000_000)) == 80 and "(2,000,000 characters)" in shorten("a" * 2_000_000)
    message = str(InvalidInputError(f"X must be short, got '{'a' * 2_000_000}'. Shorten it.\nSecond\x1b line."))
    assert len(message) < 1300 and message.endswith("aa'. Shorten it.\nSecond\\u001b line.")


def test_errors_survive_pickling():
    error = pickle.loads(pickle.dumps(InvalidInputError("a\nb")))
    assert type(error) is InvalidInputError and str(error) == "a\nb"


def test_a_value_of_several_lines_is_shown_in_one():
    assert shorten("a\nb\r") == "a\\u000ab\\u000d"
