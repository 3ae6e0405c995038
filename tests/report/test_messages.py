"""Messages say the same in all languages."""

from string import Formatter

import pytest

from egbad.data.column_types import NUMBER
from egbad.errors import InvalidInputError
from egbad.explain.explanation import Reason
from egbad.explain.grouping import REGIONS, ExplanationGroup
from egbad.report import RowLocation
from egbad.report.messages import CATALOGUES, REGION_WORDS, Messages, percent

TAIL = " (at most 0.2% of normal rows deviate this much)"


def test_languages_have_the_same_messages_with_the_same_placeholders():
    def placeholders(text):
        return {name for _, name, _, _ in Formatter().parse(text) if name}

    for catalogue in CATALOGUES.values():
        assert catalogue.keys() == CATALOGUES["en"].keys()
        assert all(placeholders(catalogue[key]) == placeholders(text) for key, text in CATALOGUES["en"].items())
    assert set(REGION_WORDS) == set(CATALOGUES) - {"en"}


def test_an_unknown_language_is_refused():
    with pytest.raises(InvalidInputError, match="no language 'fr'"):
        Messages("fr")


@pytest.mark.parametrize(
    ("reason", "sentence"),
    [
        (Reason("a", 1.0, 7.0, 3.0, 1.0, 4.0, 0.002), f"a is 7; similar normal rows have 1 to 4{TAIL}"),
        (Reason("a", 1.0, 3.5, 3.0, 1.0, 4.0, 0.9), "a is 3.5; expected 3"),
        (Reason("a", 1.0, None, 3.0, 1.0, 4.0, 0.002), f"a is missing; similar normal rows have 1 to 4{TAIL}"),
        (Reason("a", 1.0, 3.0, 3.0), "a is 3, which is unusual for similar rows"),
        (Reason("a", 1.0, 3.0, None), "a is 3, which is unusual for similar rows"),
    ],
)
def test_reasons_are_sentences(reason, sentence):
    assert Messages("en").reason(reason, NUMBER) == sentence


def test_reasons_are_sentences_in_japanese():
    japanese = Messages("ja")
    missing = Reason("a", 1.0, None, 3.0, 1.0, 4.0, 0.002)
    assert japanese.reason(missing, NUMBER).startswith("a が欠損しています。似た正常な行では 1〜4 です")
    assert japanese.reason(Reason("a", 1.0, 3.5, 3.0), NUMBER) == "a は 3.5 です。予測値は 3 です"


def test_every_region_has_a_name_in_every_language():
    for language in CATALOGUES:
        assert len({Messages(language).region(name) for name in REGIONS}) == len(REGIONS)
    assert Messages("ja").region("lower right") == "右下"


def test_locations_name_the_file_and_the_row():
    english = Messages("en")
    assert english.location(RowLocation("a.png")) == "a.png"
    assert english.location(RowLocation(row=3)) == "row 3"


def test_groups_name_their_columns_or_regions():
    english = Messages("en")
    columns = ExplanationGroup(("a", "b"), (0.5, 0.3), [0], (1.0, None), (2.0, None))
    assert english.group(columns, {}) == "a (typical value 1, expected 2) and b (typical value missing)"
    assert english.group(ExplanationGroup(("lower right",), (0.5,), [0]), {}) == "lower right (50%)"
    assert english.group(ExplanationGroup((), (), [0]), {}) == "other explanations"


def test_percentages_have_two_significant_digits():
    assert [percent(share) for share in (0.0, 0.00001, 0.0123, 0.999, 1.0)] == ["0%", "0.001%", "1.2%", "100%", "100%"]
