"""Error types and the sentences that they have in common."""

import importlib.util

import pytest

from egbad import errors
from egbad.errors import EgbadError, InvalidInputError, MissingExtraError, require_extra, unknown


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
