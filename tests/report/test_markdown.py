"""Reports as Markdown."""

import pytest

from egbad.report import DefectMetrics, evaluation_to_markdown, findings_to_markdown
from egbad.report.markdown import Markdown, escape, markdown_table
from egbad.scoring import metrics


def test_an_evaluation_has_its_metrics_and_its_command(evaluation):
    report, values = evaluation()
    text = evaluation_to_markdown(report)
    assert f"| AUROC | {metrics.auroc(values['scores'], values['anomalous']):.4f} |" in text
    assert "    egbad demo --seed 0" in text and "Training finished without problems." in text


def test_problems_of_the_training_are_a_list(evaluation):
    report, _ = evaluation(description={"health": ["The generator has collapsed."]})
    assert "- The generator has collapsed." in evaluation_to_markdown(report)


def test_findings_have_a_row_each(rows_report):
    text = findings_to_markdown(rows_report)
    for words in (
        f"{rows_report.n_flagged} of 300 rows are flagged",
        "protocol is 'sctp'",
        "bytes is 50,000,000; similar normal rows have",
        "missing",
    ):
        assert words in text
    assert text.count("| row ") == len(rows_report.findings)


def test_findings_without_flagged_rows_have_no_groups(report_without_flags):
    text = findings_to_markdown(report_without_flags)
    assert "None of 50 rows are flagged" in text and "Groups" not in text


def test_findings_are_written_in_japanese(rows_report):
    text = findings_to_markdown(rows_report, "ja")
    assert "protocol は 'sctp' です" in text and "are flagged" not in text


def test_hostile_names_stay_in_their_cells(make_rows_report):
    text = findings_to_markdown(make_rows_report(data={"note": "a|b\nc"}))
    assert "| note | a\\|b c |" in text


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("<script>alert(1)</script>", r"\<script\>alert(1)\</script\>"),
        ("[bill](javascript:pay)", r"\[bill\](javascript:pay)"),
        ("![](http://tracker/x.png)", r"!\[\](http://tracker/x.png)"),
        ("a*b_c `d` _e_ __f__", r"a\*b_c \`d\` \_e\_ \_\_f\_\_"),
        ("# title", r"\# title"),
        ("- item", r"\- item"),
        ("---", r"\---"),
        ("1. item", r"1\. item"),
        ("-3.5 and 0.5", "-3.5 and 0.5"),
        ("back\\slash | pipe &lt; $x$", r"back\\slash \| pipe \&lt; \$x\$"),
        ("new\nline\r\nand \x1b[31m\u2028red", r"new line and \[31m red"),
    ],
)
def test_text_adds_no_markup(text, escaped):
    assert escape(text) == escaped
    assert escape(Markdown(text)) == text


def test_every_place_for_text_from_outside_is_escaped(make_rows_report, evaluation):
    hostile = "<img src=x>\n\n# pwned"
    report, _ = evaluation(title=hostile, description={"health": [hostile], hostile: hostile}, command=hostile)
    findings = make_rows_report(data={hostile: hostile}, model_name=hostile, data_name=hostile, command=hostile)
    for text in (evaluation_to_markdown(report), findings_to_markdown(findings)):
        lines = [line for line in text.splitlines() if not line.startswith("    ")]
        assert "pwned" in text
        assert not any("<img" in line.replace("\\<", "") or line.startswith("# pwned") for line in lines)


def test_every_line_of_a_table_has_the_same_number_of_cells():
    lines = markdown_table(("a", "b"), [("1", "2|3"), ("4\n5", "")])
    assert {line.replace("\\|", "").count("|") for line in lines} == {3}


def test_defects_are_a_table(evaluation):
    report, _ = evaluation(defects=[DefectMetrics(None, 5, 0.9, 0.8), DefectMetrics("hole", 5, 0.9, 0.8, 0.95, 0.7, 1)])
    text = evaluation_to_markdown(report)
    assert (
        r"| all | 5 | 0.900 | 0.800 | \- | \- | \- |" in text
        and "| hole | 5 | 0.900 | 0.800 | 0.950 | 0.700 | 1.000 |" in text
    )
