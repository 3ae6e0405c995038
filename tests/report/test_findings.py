"""What a detector found: the same in JSON, Markdown and HTML, in two languages, and a page that a browser shows."""

import json
import re
from html.parser import HTMLParser
from string import Formatter

import numpy as np
import pandas as pd
import pytest

from egbad.data.column_types import NUMBER
from egbad.detectors.registry import create
from egbad.explain.explanation import Reason
from egbad.report import RowLocation, findings_report, findings_to_html, findings_to_json, findings_to_markdown
from egbad.report.findings import interval
from egbad.report.messages import LANGUAGES, PLACES, Messages

VOID = {"meta", "img"}
RARE = " (as far off in at most 0.2% of normal rows)"


class Page(HTMLParser):
    """The text of a page and what it loads; its elements must be closed in order."""

    def __init__(self, html):
        super().__init__()
        self.open, self.loaded, self.text = [], [], ""
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.loaded += [value for name, value in attrs if name in ("src", "href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def traffic(n, seed):
    rng = np.random.default_rng(seed)
    return pd.DataFrame({
        "bytes": rng.lognormal(5, 1, n).round(),
        "protocol": rng.choice(["tcp", "udp", "icmp"], n),
        "encrypted": rng.random(n) < 0.5,
        "when": pd.Timestamp("2026-03-02 09:00") + pd.to_timedelta(rng.integers(0, 30_000, n), unit="s"),
    })  # fmt: skip


def of_rows(**given):
    new = traffic(300, 1)
    new.loc[:9, "protocol"] = "sctp"
    new.loc[10:13, "bytes"] = 5e7
    new.loc[14:15, "bytes"] = np.nan
    detector = create("blend", random_state=0).fit(traffic(2000, 0))
    return made(detector, new, **given)


def made(detector, new, **given):
    scores = detector.anomaly_score(new)
    order = np.argsort(-scores, kind="stable")
    highest = new.iloc[order] if isinstance(new, pd.DataFrame) else new[order]
    options = {"model_name": "m", "data_name": "new.parquet", "command": "egbad report m new.parquet"} | given
    return findings_report(
        detector, scores, detector.explain(highest), [RowLocation(row=int(i)) for i in order], **options
    )


@pytest.fixture(scope="module")
def rows():
    return of_rows()


@pytest.fixture(scope="module")
def images():
    x = np.clip(np.random.default_rng(0).normal(0.5, 0.05, size=(200, 12, 12)), 0, 1)
    new = x[:40].copy()
    new[:5, 9:, 9:] = 1
    return made(create("knn", random_state=0, alpha=0.1).fit(x[40:]), new)


def test_causes_and_reasons_are_the_faults(rows):
    assert {cause.names[0] for cause in rows.groups[:2] if cause.names} == {"protocol", "bytes"}
    assert sum(len(cause.rows) for cause in rows.groups) == rows.flagged == rows.explained
    first = rows.top[0]
    assert first.flagged and first.score == pytest.approx(sum(first.terms.values()))
    assert {one.place.row for one in rows.top[:14]} <= set(range(16)), "the rows that were made strange"


def test_all_forms_say_the_same(rows):
    page, text, plain = Page(findings_to_html(rows)), findings_to_markdown(rows), json.loads(findings_to_json(rows))
    assert page.loaded == []
    assert plain["flagged"] == rows.flagged and plain["top"][0]["reasons"][0]["column"] == rows.top[0].reasons[0].column
    for words in (
        f"Of 300 rows {rows.flagged} are flagged",
        "protocol is 'sctp'",
        "in rows like this it is",
        "missing",
    ):
        assert words in page.text and words in text
    assert "bytes is 50,000,000; in rows like this it is" in text


def test_images_come_with_pictures(images):
    page = Page(findings_to_html(images))
    shown = 6  # itself, what is expected, where it is strange, three like it
    assert len(page.loaded) == shown * len(images.top)
    assert all(address.startswith("data:image/png;base64,") for address in page.loaded)
    assert "strange at lower right" in page.text and images.groups[0].names == ("lower right",)
    assert "右下が異常です" in Page(findings_to_html(images, "ja")).text


def test_japanese_says_all_of_it(rows):
    english, japanese = (re.sub(r"[\d.,%]", "", Page(findings_to_html(rows, name)).text) for name in ("en", "ja"))
    assert "異常の印" in japanese and "のうち" in japanese
    for phrase in ("are flagged", "in rows like this", "The highest scores", "would be expected"):
        assert phrase in english and phrase not in japanese
    assert '<html lang="ja">' in findings_to_html(rows, "ja")


def test_languages_have_the_same_phrases_with_the_same_places():
    def places(text):
        return {name for _, name, _, _ in Formatter().parse(text) if name}

    for own in LANGUAGES.values():
        assert own.keys() == LANGUAGES["en"].keys()
        assert all(places(own[key]) == places(text) for key, text in LANGUAGES["en"].items())
    assert set(PLACES) == set(LANGUAGES) - {"en"}


def test_nothing_flagged_is_said():
    detector = create("knn", random_state=0, alpha=0.01).fit(traffic(2000, 0))
    calm = made(detector, traffic(2000, 0).iloc[:50])
    assert calm.groups == () and "none is flagged" in findings_to_markdown(calm)
    assert len(calm.top) == 20, "and the highest scores are shown all the same"
    assert "in common" not in findings_to_markdown(calm) + findings_to_html(calm)


def test_names_from_outside_are_text():
    hostile = "<script>alert('&')|</script>"
    found = of_rows(model_name=hostile, data_name=hostile, command=hostile)
    assert "<script" not in findings_to_html(found)
    assert hostile in Page(findings_to_html(found)).text


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        (Reason("a", 1.0, 7.0, 3.0, 1.0, 4.0, 0.002), f"a is 7; in rows like this it is 1 to 4{RARE}"),
        (Reason("a", 1.0, 3.5, 3.0, 1.0, 4.0, 0.9), "a is 3.5, where 3 would be expected"),
        (Reason("a", 1.0, None, 3.0, 1.0, 4.0, 0.002), f"a is missing; in rows like this it is 1 to 4{RARE}"),
        (Reason("a", 1.0, 3.0, 3.0), "a is 3, unusual in rows like this"),
        (Reason("a", 1.0, 3.0, None), "a is 3, unusual in rows like this"),
    ],
)  # fmt: skip
def test_reasons_are_sentences(reason, words):
    assert Messages("en").reason(reason, NUMBER) == words


def test_an_interval_holds_its_share():
    rng = np.random.default_rng(0)
    held = [low <= 0.1 <= high for low, high in (interval(int(k), 60) for k in rng.binomial(60, 0.1, 2000))]
    assert np.mean(held) >= 0.95
    assert interval(5, 5)[1] == 1.0


@pytest.mark.slow
@pytest.mark.parametrize("width", [400, 1280])
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_browser_shows_it(rows, greys, width, language):
    assert greys(findings_to_html(rows, language), width) > 20
