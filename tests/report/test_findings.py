"""Findings: the injected faults come first, with the right reasons and groups."""

import json

import numpy as np
import pytest

from egbad.detectors.registry import create
from egbad.errors import InvalidInputError
from egbad.report import RowLocation, findings_report, findings_to_json


def test_groups_and_reasons_are_the_injected_faults(rows_report):
    assert {group.names[0] for group in rows_report.groups[:2] if group.names} == {"protocol", "bytes"}
    assert sum(len(group.rows) for group in rows_report.groups) == rows_report.n_flagged == rows_report.n_explained
    first = rows_report.findings[0]
    assert first.flagged and first.score == pytest.approx(sum(first.terms.values()))
    assert {finding.location.row for finding in rows_report.findings[:14]} <= set(range(16))


def test_a_report_describes_its_threshold():
    rng = np.random.default_rng(0)
    detector = create("knn", alpha=0.2, random_state=0).fit(rng.normal(size=(150, 3)))
    explanation = detector.explain(rng.normal(size=(2, 3)))

    def report():
        options = {"model_name": "m", "data_name": "d", "command": "c"}
        return findings_report(
            detector, explanation.score, explanation, [RowLocation(row=i) for i in range(2)], **options
        )

    plain = report()
    assert (plain.calibration_rows, plain.false_alarm_rate, plain.has_own_threshold) == (15, 3 / 16, False)
    detector.threshold_ = detector.calibration_scores_[-1]
    assert (report().false_alarm_rate, report().has_own_threshold) == (1 / 16, True)
    detector.alpha = 0.01
    assert (report().false_alarm_rate, report().has_own_threshold) == (1 / 16, False), "the best for this alpha"


def test_a_common_value_is_no_reason_where_others_are_rare(rows_report):
    for finding in rows_report.findings:
        rare = [reason for reason in finding.reasons if reason.p_value <= 0.05]
        assert rare in ([*finding.reasons], []) and (rare or len(finding.reasons) == 1)


def test_images_have_regions_and_neighbours(images_report):
    assert images_report.kind == "images" and images_report.groups[0].names == ("lower right",)
    group = images_report.groups[0].region
    assert (group.top, group.left) >= (8, 8) and group.size > 0 and group.share > 0.5
    region = images_report.findings[0].regions[0]
    assert region.name == "lower right" and region.above_threshold and region.share > 0.5
    assert (region.top, region.left) >= (8, 8) and images_report.findings[0].reasons == ()
    assert images_report.images.nearest.shape[:2] == (len(images_report.findings), 3)


def test_the_highest_scores_are_listed_even_if_nothing_is_flagged(report_without_flags):
    assert report_without_flags.n_flagged == 0 and report_without_flags.groups == ()
    assert len(report_without_flags.findings) == 20


def test_a_report_needs_a_row():
    with pytest.raises(InvalidInputError, match="needs at least one row or image, got none"):
        findings_report(None, np.empty(0), None, [], model_name="m", data_name="d", command="c")


def test_json_has_all_numbers_and_no_images(rows_report, images_report):
    parsed = json.loads(findings_to_json(rows_report), parse_constant=pytest.fail)
    assert parsed["n_flagged"] == rows_report.n_flagged
    assert parsed["findings"][0]["reasons"][0]["column"] == rows_report.findings[0].reasons[0].column
    assert "images" not in json.loads(findings_to_json(images_report))
