"""Example reports, a parser of HTML pages, and a real browser."""

import os
import shutil
import subprocess
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from egbad.detectors.registry import create
from egbad.report import Reconstructions, RowLocation, evaluation_report, findings_report

CHROMIUM_FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
VOID_ELEMENTS = {"meta", "img"}


class Page(HTMLParser):
    """The text of a page and the addresses that it loads. Checks that elements are closed in order."""

    def __init__(self, html):
        super().__init__()
        self.open, self.loaded, self.text = [], [], ""
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.loaded += [value for name, value in attrs if name in ("src", "href")]
        if tag not in VOID_ELEMENTS:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


@pytest.fixture
def parse():
    """The parser of a page."""
    return Page


@pytest.fixture
def count_grey_levels(tmp_path):
    """A function of a page and a width that returns how many grey levels Chromium shows."""
    browser = shutil.which("chromium")
    if browser is None:
        pytest.skip("chromium is not installed")

    def count(html, width):
        page, screenshot = tmp_path / "report.html", tmp_path / "screenshot.png"
        page.write_text(html, encoding="utf-8")
        command = [browser, *CHROMIUM_FLAGS, f"--user-data-dir={tmp_path / 'profile'}", f"--window-size={width},900"]
        subprocess.run(
            [*command, f"--screenshot={screenshot}", page.as_uri()],
            check=True,
            capture_output=True,
            env=os.environ | {"HOME": str(tmp_path)},
            timeout=120,
        )
        return len(np.unique(np.asarray(Image.open(screenshot).convert("L"))))

    return count


def evaluation_values(members=1, images=True, anomalies=50, **changes):
    """Keyword arguments of `evaluation_report`."""
    rng = np.random.default_rng(0)
    scores = np.concatenate([rng.normal(0, 1, 200), rng.normal(3, 1, anomalies)])
    x = rng.integers(0, 256, (3, 8, 8)).astype(np.uint8)
    shown = Reconstructions(x, x * 0.9, x, x * 0.1, np.arange(3.0), np.arange(3.0))
    return {
        "title": "A title",
        "summary": "A sentence.",
        "description": {"detector": "egbad", "input": {"kind": "images"}, "settings": {"n_latent": 32}, "health": []},
        "scores": scores,
        "anomalous": np.arange(len(scores)) >= 200,
        "threshold": 2.0,
        "history": {"step": np.arange(1, 21), "D": np.full((20, members), 0.5), "EG": rng.random((20, members))},
        "fit_seconds": 3.0,
        "score_seconds": 0.5,
        "data": {"name": "made"},
        "command": "egbad demo --seed 0",
        "reconstructions": shown if images else None,
    } | changes


@pytest.fixture
def evaluation():
    """A function that returns an evaluation report and the arguments that it was made with."""

    def make(**changes):
        values = evaluation_values(**changes)
        return evaluation_report(**values), values

    return make


def traffic(n, seed):
    """Rows of a mixed table."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame({
        "bytes": rng.lognormal(5, 1, n).round(),
        "protocol": rng.choice(["tcp", "udp", "icmp"], n),
        "encrypted": rng.random(n) < 0.5,
        "when": pd.Timestamp("2026-03-02 09:00") + pd.to_timedelta(rng.integers(0, 30_000, n), unit="s"),
    })  # fmt: skip


def report_of(detector, new, **changes):
    """Findings of a detector in new rows or images."""
    scores = detector.anomaly_score(new)
    order = np.argsort(-scores, kind="stable")
    highest = new.iloc[order] if isinstance(new, pd.DataFrame) else new[order]
    options = {"model_name": "m", "data_name": "new.parquet", "command": "egbad report m new.parquet"} | changes
    locations = [RowLocation(row=int(i)) for i in order]
    return findings_report(detector, scores, detector.explain(highest), locations, **options)


def report_of_rows(**changes):
    """Findings in 300 rows. Rows 0 to 9 have a new protocol, 10 to 13 are large, 14 and 15 have missing values."""
    new = traffic(300, 1)
    new.loc[:9, "protocol"] = "sctp"
    new.loc[10:13, "bytes"] = 5e7
    new.loc[14:15, "bytes"] = np.nan
    return report_of(create("blend", random_state=0).fit(traffic(2000, 0)), new, **changes)


@pytest.fixture(scope="session")
def rows_report():
    """Findings in rows."""
    return report_of_rows()


@pytest.fixture(scope="session")
def make_rows_report():
    """A function that returns findings in rows with changed arguments."""
    return report_of_rows


@pytest.fixture(scope="session")
def images_report():
    """Findings in 40 images. The first five are bright at the lower right."""
    x = np.clip(np.random.default_rng(0).normal(0.5, 0.05, size=(200, 12, 12)), 0, 1)
    new = x[:40].copy()
    new[:5, 9:, 9:] = 1
    return report_of(create("knn", random_state=0, alpha=0.1).fit(x[40:]), new)


@pytest.fixture(scope="session")
def report_without_flags():
    """Findings in 50 training rows, none of which is flagged."""
    detector = create("knn", random_state=0, alpha=0.01).fit(traffic(2000, 0))
    return report_of(detector, traffic(2000, 0).iloc[:50])
