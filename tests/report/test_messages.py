"""Messages say the same in all languages."""

from dataclasses import replace

import pytest

from egbad.data.column_types import NUMBER
from egbad.errors import InvalidInputError
from egbad.explain.grouping import ExplanationGroup
from egbad.explain.reasons import Reason
from egbad.explain.regions import REGIONS, Region
from egbad.report import RowLocation
from egbad.report.catalogues import CATALOGUES
from egbad.report.messages import Messages, percent

TAIL = " (at most 0.2% of normal rows deviate this much)"


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
    japanese, ids = Messages("ja"), {"customer": "A7", "n": None}
    place = japanese.location(RowLocation("t.csv", 3))
    assert japanese.location(RowLocation("t.csv", 3, ids)) == f"{place}, customer=A7, n="
    assert len(japanese.location(RowLocation(row=3, ids={"text": "x" * 10_000}))) < 120


def test_a_region_tells_if_it_is_above_the_pixel_threshold():
    region = Region("lower right", 2, 3, 5, 10, 12, 1.5, 0.256, False)
    assert Messages("en").anomalous_region(region) == (
        "Largest deviation: lower right, 7 x 3 pixels in rows 2 to 4 and columns 3 to 9 (26% of the score)"
    )
    above = Messages("ja").anomalous_region(replace(region, above_threshold=True))
    assert above == "画素しきい値を超える領域：右下、7 × 3 画素、行 2〜4、列 3〜9（スコアの 26%）"


def test_groups_name_their_columns_or_regions():
    english = Messages("en")
    columns = ExplanationGroup(
        ("a", "b", "c"), (0.5, 0.3, 0.1), [0], (1.0, None, None), (2.0, None, None), (True, True, False)
    )
    assert (
        english.group(columns, {}) == "a (typical value 1, expected 2), b (typical value missing), c (no typical value)"
    )
    region = Region("lower right", 2, 3, 5, 10, 12, 1.5, 0.256, False)
    group = ExplanationGroup(("lower right",), (0.5,), [0], region=region)
    place = "lower right, 7 x 3 pixels in rows 2 to 4 and columns 3 to 9"
    assert english.group(group, {}) == f"{place} (26% of the score)"
    assert Messages("ja").group(group, {}) == "右下、7 × 3 画素、行 2〜4、列 3〜9（スコアの 26%）"
    assert english.group(ExplanationGroup((), (), [0]), {}) == "other explanations"


def test_percentages_have_two_significant_digits():
    assert [percent(share) for share in (0.0, 0.00001, 0.0123, 0.999, 1.0)] == ["0%", "0.001%", "1.2%", "100%", "100%"]


def test_attribution_methods_are_described():
    english, japanese = Messages("en"), Messages("ja")
    assert english.method("exact") == "Attribution method: exact, because the score is a sum over columns or pixels."
    blend = "residual exact, features by gradients, gradients"
    assert english.method(blend).count(";") == 1 and "exact for the residual" in english.method(blend)
    assert japanese.method("differences") == "寄与度の計算方法：予測値との差に応じてスコアを配分。"
    assert english.method("a new one") == "Attribution method: a new one."
