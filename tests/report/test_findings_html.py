"""The page of findings is complete, loads nothing, and trusts no name."""

import re
from dataclasses import replace

import numpy as np
import pytest

from egbad.report import findings_to_html
from egbad.report.catalogues import CATALOGUES
from egbad.report.findings import FindingImages


def test_the_page_has_the_findings_and_loads_nothing(rows_report, parse):
    page = parse(findings_to_html(rows_report))
    assert page.loaded == []
    for words in (
        f"{rows_report.n_flagged} of 300 rows are flagged",
        "protocol is 'sctp'",
        "bytes is 50,000,000; similar normal rows have",
        "missing",
        "Groups of flagged rows",
    ):
        assert words in page.text


def test_images_come_with_pictures(images_report, parse):
    page = parse(findings_to_html(images_report))
    n_pictures = 6  # the image, the expected image, the anomaly map and three neighbours
    assert len(page.loaded) == n_pictures * len(images_report.findings)
    assert all(address.startswith("data:image/png;base64,") for address in page.loaded)
    assert "Above the pixel threshold: lower right" in page.text
    assert "画素しきい値を超える領域：右下" in parse(findings_to_html(images_report, "ja")).text


def test_heatmaps_share_the_scale_of_normal_images(images_report, parse):
    images = images_report.images
    low, high = images.scale
    assert (low + high) / 2 == pytest.approx(images.threshold)
    assert images.false_alarm_rate == pytest.approx(0.06, abs=0.03)  # 16 calibration images
    text = parse(findings_to_html(images_report)).text
    assert f"run from {low:.3g} to {high:.3g}" in text and f"threshold, {images.threshold:.3g}, which" in text
    few = replace(images_report, images=replace(images, anomaly_map=images.anomaly_map / 2))
    assert f"run from {low:.3g} to {high:.3g}" in parse(findings_to_html(few)).text, "the maps do not change the scale"


def test_without_maps_of_normal_images_a_page_has_heatmaps_and_no_note(images_report, parse):
    known = images_report.images
    images = FindingImages(known.original, known.expected, known.anomaly_map, known.nearest)
    page = parse(findings_to_html(replace(images_report, images=images)))
    assert len(page.loaded) == 6 * len(images_report.findings)
    assert "Contours" not in page.text


def test_an_expected_image_that_says_nothing_is_left_out(images_report, parse):
    known = images_report.images
    for expected in (known.original, np.full(known.original.shape, np.nan)):
        page = parse(findings_to_html(replace(images_report, images=replace(known, expected=expected))))
        assert len(page.loaded) == 5 * len(images_report.findings)


def test_the_japanese_page_has_no_english_sentences(rows_report, parse):
    english, japanese = (
        re.sub(r"[\d.,%]", "", parse(findings_to_html(rows_report, language)).text) for language in ("en", "ja")
    )
    assert "異常と判定しました" in japanese and "のうち" in japanese
    for phrase in ("are flagged", "similar normal rows", "Highest scores", "expected"):
        assert phrase in english and phrase not in japanese
    assert '<html lang="ja">' in findings_to_html(rows_report, "ja")


def test_without_flagged_rows_there_are_no_groups(report_without_flags, parse):
    page = parse(findings_to_html(report_without_flags))
    assert "None of 50 rows are flagged" in page.text and "Groups" not in page.text


def test_hostile_names_are_escaped(make_rows_report, parse):
    hostile = "<script>alert('&')|</script>"
    html = findings_to_html(make_rows_report(model_name=hostile, data_name=hostile, command=hostile))
    assert "<script" not in html
    assert hostile in parse(html).text


@pytest.mark.slow
@pytest.mark.parametrize("width", [400, 1280])
@pytest.mark.parametrize("language", CATALOGUES)
def test_a_browser_shows_the_page(rows_report, count_grey_levels, width, language):
    assert count_grey_levels(findings_to_html(rows_report, language), width) > 20
