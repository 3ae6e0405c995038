"""Progress: nothing for quick work, then lines for a file and a bar for a terminal."""

import builtins
import io
import re
import sys
from time import sleep
from types import SimpleNamespace

import numpy as np
import pytest

from egbad import EGBAD, TrainingConfig
from egbad.progress import Estimate, progress


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def test_quick_work_shows_nothing(clock, capsys):
    with progress("Scoring", 100, unit="rows", clock=clock) as advance:
        clock.now = 1.9
        advance(100)
    assert capsys.readouterr().err == ""


def test_without_a_terminal_a_line_appears_after_two_seconds_and_then_every_ten(clock, capsys):
    with progress("Scoring", 100, unit="rows", clock=clock) as advance:
        for _ in range(25):
            clock.now += 1
            advance(2)
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "Scoring: 4 of 100 rows, 2 rows/s",
        "Scoring: 24 of 100 rows, 2 rows/s, 38 s left",
        "Scoring: 44 of 100 rows, 2 rows/s, 28 s left",
    ]


def test_long_work_is_told_in_minutes_and_hours(clock, capsys):
    with progress("Scoring", 10_000, unit="rows", clock=clock) as advance:
        for _ in range(4):
            clock.now += 60
            advance(100)
    assert [line.split(", ")[-1] for line in capsys.readouterr().err.splitlines()] == [
        "2 rows/s",  # three steps are needed for an estimate
        "2 rows/s",
        "97 min left",
        "96 min left",
    ]


def test_the_estimate_follows_the_speed_of_the_last_minute(clock, capsys):
    with progress("Runs", 200, unit="runs", clock=clock) as advance:
        for seconds in [0.1] * 100 + [10.0] * 30:
            clock.now += seconds
            advance()
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].endswith("18 s left") and lines[-1].endswith("12 min left")


def test_work_of_an_earlier_run_does_not_count_for_the_speed(clock, capsys):
    with progress("Training", 1000, unit="steps", clock=clock) as advance:
        advance(900, earlier=True)
        for _ in range(12):
            clock.now += 1
            advance(2)
    assert capsys.readouterr().err.splitlines()[1] == "Training: 924 of 1,000 steps, 2 steps/s, 38 s left"


def test_waiting_for_the_last_step_is_not_a_second(clock):
    estimate = Estimate(100, clock())
    for _ in range(99):
        clock.now += 0.1
        estimate.advance(1, clock(), earlier=False)
    waits = []
    for _ in range(6):
        waits.append(estimate.remaining(clock()))
        clock.now += 100
    assert waits == sorted(waits) and waits[0] == pytest.approx(0.1) and waits[-1] == 500
    estimate.advance(1, clock(), earlier=False)
    assert estimate.remaining(clock()) is None, "nothing is left"


def test_an_unknown_total_shows_no_remaining_time(clock, capsys):
    with progress("Reading", unit="bytes", clock=clock) as advance:
        clock.now = 4
        advance(8)
    assert capsys.readouterr().err == "Reading: 8 bytes, 2 bytes/s\n"


def test_disabled_progress_shows_nothing(clock, capsys):
    with progress("Reading", enabled=False, clock=clock) as advance:
        clock.now = 9
        advance()
    assert capsys.readouterr().err == ""


def test_a_terminal_shows_a_bar(clock, monkeypatch):
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm-256color")
    with progress("Training", 10, unit="steps", clock=clock) as advance:
        clock.now = 3
        advance(5)
    assert "Training" in terminal.getvalue()
    assert "2 steps/s" in terminal.getvalue()


class Page:
    """The outputs of a notebook's cell by their display ids, as a Jupyter frontend keeps them."""

    def __init__(self):
        self.outputs, self.messages = {}, []

    def publish(self, data, *, transient, update):
        assert (transient["display_id"] in self.outputs) is update
        self.outputs[transient["display_id"]] = data
        self.messages.append(data)


@pytest.fixture
def page(monkeypatch):
    page = Page()
    shell = SimpleNamespace(display_pub=page)
    monkeypatch.setattr(builtins, "get_ipython", lambda: shell, raising=False)
    return page


def test_a_notebook_shows_one_bar_that_moves(clock, page, capsys):
    with progress("Training <1>", 80, unit="steps", clock=clock) as advance:
        for _ in range(16):
            clock.now += 0.25
            advance(4)
    values = [re.search(r' value="([^"]+)">', data["text/html"])[1] for data in page.messages]
    assert values == ["0.400", "0.500", "0.600", "0.700", "0.800", "0.800"], "one each half a second, one at the end"
    (last,) = page.outputs.values()
    assert last["text/plain"] == "Training <1>: 64 of 80 steps, 16 steps/s, 1 s left"
    assert '<progress aria-label="Training &lt;1&gt;" value="0.800"></progress> Training &lt;1&gt;' in last["text/html"]
    assert capsys.readouterr().err == ""


def test_a_notebook_shows_nothing_for_quick_work(clock, page):
    with progress("Training", 10, clock=clock) as advance:
        clock.now = 1.9
        advance(10)
    assert page.outputs == {}


def test_a_notebook_shows_how_far_work_came_that_failed(clock, page):
    def work():
        with progress("Scoring", unit="rows", clock=clock) as advance:
            clock.now = 3
            advance(6)
            advance(3)
            raise ValueError("bad row")

    with pytest.raises(ValueError, match="bad row"):
        work()
    (last,) = page.outputs.values()
    assert last["text/plain"] == "Scoring: 9 rows, 3 rows/s"


@pytest.mark.parametrize("verbose", [False, True])
def test_fit_in_a_notebook_shows_a_bar_if_it_is_verbose(page, verbose):
    X = np.random.default_rng(0).normal(size=(60, 2))
    detector = EGBAD(training=TrainingConfig(steps=6), alpha=0.5, random_state=0, verbose=verbose)
    detector.fit(X, callback=lambda step: sleep(2.1) if step == 2 and verbose else None, callback_interval=2)
    texts = [data["text/plain"] for data in page.outputs.values()]
    assert [text.startswith("Training: 6 of 6 steps") for text in texts] == [True] * verbose
