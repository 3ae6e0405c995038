"""Progress: nothing for quick work, then lines for a file and a bar for a terminal."""

import io
import sys

import pytest

from egbad.progress import progress


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
        "Scoring: 4 of 100 rows, 2 rows/s, 48 s left",
        "Scoring: 24 of 100 rows, 2 rows/s, 38 s left",
        "Scoring: 44 of 100 rows, 2 rows/s, 28 s left",
    ]


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
