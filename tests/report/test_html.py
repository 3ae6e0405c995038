"""A report: the same numbers in JSON, Markdown and a page that needs no network and trusts no name."""

import json
from html.parser import HTMLParser

import numpy as np
import pytest

from egbad.report import (
    Reconstructions,
    evaluation_report,
    evaluation_to_html,
    evaluation_to_json,
    evaluation_to_markdown,
)
from egbad.scoring import metrics

VOID = {"meta", "img"}


class Page(HTMLParser):
    """Collects what is loaded and checks that elements are closed in order."""

    def __init__(self, html):
        super().__init__()
        self.open, self.loaded, self.text = [], [], ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.loaded += [value for name, value in attrs if name in ("src", "href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.loaded += [value for name, value in attrs if name in ("src", "href")]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def report(members=1, pictures=True, anomalies=50, **given):
    rng = np.random.default_rng(0)
    scores = np.concatenate([rng.normal(0, 1, 200), rng.normal(3, 1, anomalies)])
    x = rng.integers(0, 256, (3, 8, 8)).astype(np.uint8)
    shown = Reconstructions(x, x * 0.9, x, x * 0.1, np.arange(3.0), np.arange(3.0))
    steps = np.arange(1, 21)
    values = {
        "title": "A title",
        "summary": "A sentence.",
        "description": {"detector": "egbad", "input": {"kind": "images"}, "settings": {"n_latent": 32}, "health": []},
        "scores": scores,
        "anomalous": np.arange(len(scores)) >= 200,
        "threshold": 2.0,
        "history": {"step": steps, "D": np.full((20, members), 0.5), "EG": rng.random((20, members))},
        "fit_seconds": 3.0,
        "score_seconds": 0.5,
        "data": {"name": "made"},
        "command": "egbad demo --seed 0",
        "reconstructions": shown if pictures else None,
    } | given
    return evaluation_report(**values), values


@pytest.mark.parametrize("options", [{}, {"members": 3}, {"pictures": False}, {"anomalies": 1}, {"history": {}}])
def test_the_page_is_whole_and_loads_nothing(options):
    page = Page(evaluation_to_html(report(**options)[0]))
    assert page.open == []
    assert all(address.startswith("data:image/png;base64,") for address in page.loaded)
    assert len(page.loaded) == (0 if options.get("pictures") is False else 18)


def test_the_three_forms_say_the_same():
    made, values = report()
    auroc = metrics.auroc(values["scores"], values["anomalous"])
    assert json.loads(evaluation_to_json(made))["metrics"]["auroc"] == auroc
    assert f"| AUROC | {auroc:.4f} |" in evaluation_to_markdown(made)
    assert f"{auroc:.4f}" in Page(evaluation_to_html(made)).text
    assert "500" in Page(evaluation_to_html(made)).text  # images a second


def test_names_from_outside_are_text():
    hostile = "<script>alert('&')</script>"
    made, _ = report(
        title=hostile, summary=hostile, command=hostile, data={hostile: hostile}, description={"health": [hostile]}
    )
    html = evaluation_to_html(made)
    assert "<script" not in html
    assert hostile in Page(html).text


def test_json_has_no_nan():
    made, _ = report(history={"step": [1, 2], "D": np.array([[np.nan], [1.0]])})
    assert json.loads(evaluation_to_json(made), parse_constant=pytest.fail)["losses"]["values"]["D"] == [[None, 1.0]]
    assert Page(evaluation_to_html(made)).open == []


def test_illness_is_shown():
    made, _ = report(description={"health": ["The generator has collapsed."]})
    assert "The generator has collapsed." in Page(evaluation_to_html(made)).text
    assert "- The generator has collapsed." in evaluation_to_markdown(made)


@pytest.mark.slow
@pytest.mark.parametrize("width", [400, 1200])
def test_a_browser_shows_it(greys, width):
    assert greys(evaluation_to_html(report()[0]), width) > 20
