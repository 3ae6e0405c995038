"""Sentences of a findings report."""

from dataclasses import replace

from egbad.report.findings_text import FindingsText


def test_the_summary_compares_the_flagged_share_with_normal_data(rows_report):
    report = replace(rows_report, n_flagged=12, interval=(0.021, 0.069))
    assert FindingsText(report, "en").summary == (
        "12 of 300 rows are flagged (4%, 95% confidence interval 2.1% to 6.9%). "
        "If all 300 rows were normal, about 3 would be flagged at alpha = 0.01."
    )
    assert FindingsText(report, "ja").summary == (
        "300 行のうち 12 行を異常と判定しました（4%、95% 信頼区間 2.1%〜6.9%）。"
        "300 行がすべて正常な場合、alpha = 0.01 では約 3 行が異常と判定されます。"
    )


def test_one_flagged_row_and_none_have_sentences_of_their_own(rows_report, images_report):
    assert "1 of 300 rows is flagged" in FindingsText(replace(rows_report, n_flagged=1), "en").summary
    few = replace(images_report, n_flagged=0, n_samples=5)
    assert FindingsText(few, "en").summary == (
        "None of 5 images are flagged. If all 5 images were normal, fewer than 1 would be flagged at alpha = 0.1."
    )
    assert FindingsText(few, "ja").summary.startswith("画像 5 枚のうち、異常と判定された画像はありません。")


def test_too_few_calibration_rows_and_chosen_thresholds_are_mentioned(rows_report):
    few = replace(rows_report, n_flagged=12, calibration_rows=49, false_alarm_rate=0.02)
    assert FindingsText(few, "en").summary.endswith(
        "If all 300 rows were normal, about 6 would be flagged: the threshold comes from 49 rows, too few for alpha = 0.01."
    )
    assert "しきい値の元になった49 行は alpha = 0.01 には少なすぎるため、約 6 行が" in FindingsText(few, "ja").summary
    chosen = replace(rows_report, has_own_threshold=True, false_alarm_rate=0.1)
    assert FindingsText(chosen, "en").summary.endswith("about 30 would be flagged at this threshold.")
    assert "このしきい値では約 30 行が" in FindingsText(chosen, "ja").summary


def test_a_row_is_shown_with_its_values(rows_report):
    (finding,) = [finding for finding in rows_report.findings if finding.location.row == 0]
    values = dict(FindingsText(rows_report, "en").values(finding))
    assert [*values] == ["bytes", "protocol", "encrypted", "when"]
    assert (
        values["protocol"] == "'sctp'" and values["encrypted"] in ("true", "false") and "2026-03-02" in values["when"]
    )


def test_a_partial_grouping_is_mentioned(rows_report):
    text = FindingsText(replace(rows_report, n_explained=5), "en")
    assert "Only the 5 rows with the highest scores are grouped." in text.groups_note
    assert "Only" not in FindingsText(rows_report, "en").groups_note


def test_each_group_has_a_line(rows_report):
    lines = FindingsText(rows_report, "en").groups
    assert len(lines) == len(rows_report.groups)
    assert any(line.startswith("10 rows, for example row ") and "'sctp'" in line for line in lines)


def test_an_image_is_explained_by_its_regions(images_report):
    assert "lower right" in FindingsText(images_report, "en").reasons(images_report.findings[0])[0]
    assert "右下" in FindingsText(images_report, "ja").reasons(images_report.findings[0])[0]
