"""The page of an evaluation is complete, loads nothing, and trusts no name."""

import numpy as np
import pytest
from jinja2 import TemplateNotFound, UndefinedError

from egbad.report import DefectMetrics, evaluation_to_html
from egbad.report.html import environment, render_page
from egbad.scoring import metrics


@pytest.mark.parametrize("options", [{}, {"members": 3}, {"images": False}, {"anomalies": 1}, {"history": {}}])
def test_the_page_is_whole_and_loads_nothing(evaluation, parse, options):
    page = parse(evaluation_to_html(evaluation(**options)[0]))
    assert all(address.startswith("data:image/png;base64,") for address in page.loaded)
    assert len(page.loaded) == (0 if options.get("images") is False else 18)


def test_the_page_shows_the_metrics(evaluation, parse):
    report, values = evaluation()
    text = parse(evaluation_to_html(report)).text
    assert f"{metrics.auroc(values['scores'], values['anomalous']):.4f}" in text
    assert "Images scored per second500" in text


def test_hostile_names_are_escaped(evaluation, parse):
    hostile = "<script>alert('&')</script>"
    report, _ = evaluation(
        title=hostile, summary=hostile, command=hostile, data={hostile: hostile}, description={"health": [hostile]}
    )
    html = evaluation_to_html(report)
    assert "<script" not in html
    assert hostile in parse(html).text


def test_problems_of_the_training_are_shown(evaluation, parse):
    report, _ = evaluation(description={"health": ["The generator has collapsed."]})
    text = parse(evaluation_to_html(report)).text
    assert "The generator has collapsed." in text and "finished without problems" not in text


def test_losses_that_are_not_finite_leave_the_page_whole(evaluation, parse):
    report, _ = evaluation(history={"step": [1, 2], "D": np.array([[np.nan], [1.0]])})
    page = evaluation_to_html(report)
    parse(page)
    assert "</html>" in page and "nan" not in page


def test_templates_escape_values_and_refuse_undefined_names():
    template = environment("egbad.report").from_string("{{ name }}")
    assert template.render(name="<b>") == "&lt;b&gt;"
    with pytest.raises(UndefinedError):
        template.render()
    with pytest.raises(TemplateNotFound):
        render_page("missing.html.jinja")


@pytest.mark.slow
@pytest.mark.parametrize("width", [400, 1200])
def test_a_browser_shows_the_page(evaluation, count_grey_levels, width):
    assert count_grey_levels(evaluation_to_html(evaluation()[0]), width) > 20


def test_defects_are_a_table_and_their_names_are_escaped(evaluation, parse):
    defects = [DefectMetrics(None, 5, 0.9, 0.8), DefectMetrics("<b>hole", 5, 0.9, 0.8, 0.95, 0.7, 1.0)]
    html = evaluation_to_html(evaluation(defects=defects)[0])
    assert "&lt;b&gt;hole" in html and "Peaks in masks" in parse(html).text
    assert "Peaks in masks" not in parse(evaluation_to_html(evaluation()[0])).text
