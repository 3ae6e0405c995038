"""The frame itself: every way in which an input can end is told apart."""

import os
import random
from dataclasses import replace
from pathlib import Path

import pytest

from egbad.errors import EgbadError
from tests.fuzz import harness
from tests.fuzz.harness import Outcome, Target, Worker, mutate_bytes, mutation, outcome_of

SENTENCE = "x must be positive, got -1. Pass a positive number."


def check(path):
    """Do what the content of the file says."""
    match path.read_bytes():
        case b"refuse":
            raise EgbadError(SENTENCE)
        case b"two lines":
            raise EgbadError("first\nsecond")
        case b"fail":
            raise KeyError("x")
        case b"loop":
            while True:
                pass
        case b"allocate":
            bytearray(2**28)
        case b"exit":
            os._exit(3)


TARGET = Target(check=check, seeds=lambda: [b"use", b"refuse"], suffix=".txt")


@pytest.fixture(scope="module")
def worker():
    with Worker(TARGET, max_seconds=0.2, max_bytes=2**27) as worker:
        yield worker


def test_a_result_is_told_from_an_error_of_the_library(worker):
    assert worker.run(b"use") == Outcome("used")
    assert worker.run(b"refuse") == Outcome("refused", SENTENCE)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"two lines", "not one line"),
        (b"fail", "KeyError: 'x'"),
        (b"loop", "took more than 0.2 s"),
        (b"allocate", "MemoryError"),
        (b"exit", "exit status 3"),
    ],
    ids=lambda value: value.decode() if isinstance(value, bytes) else "",
)
def test_every_other_end_is_a_failure_and_the_next_input_is_checked_all_the_same(worker, content, message):
    outcome = worker.run(content)
    assert outcome.kind == "failed" and message in outcome.message
    assert worker.run(b"use").kind == "used"


def test_without_a_worker_the_outcome_is_the_same(tmp_path):
    for content, kind in ((b"use", "used"), (b"refuse", "refused"), (b"fail", "failed")):
        (tmp_path / "input").write_bytes(content)
        assert outcome_of(check, tmp_path / "input").kind == kind


def test_mutations_depend_on_the_generator_alone():
    content = bytes(range(100))
    changed = [mutate_bytes(content, random.Random(seed)) for seed in range(200)]
    assert changed == [mutate_bytes(content, random.Random(seed)) for seed in range(200)]
    assert len(set(changed)) > 150
    assert {len(c) < 100 for c in changed} == {True, False}


def test_empty_content_can_be_mutated():
    assert any(mutate_bytes(b"", random.Random(seed)) for seed in range(20))


def test_mutations_come_from_all_seeds():
    target = replace(TARGET, mutate=lambda content, rng: content)
    assert {mutation(target, target.seeds(), random.Random(seed)) for seed in range(20)} == {b"use", b"refuse"}


def test_stored_failures_are_regressions_of_their_target(tmp_path):
    path = harness.store("texts", b"fail", ".txt", tmp_path)
    assert harness.regressions("texts", tmp_path) == [path] and path.read_bytes() == b"fail"
    assert harness.regressions("others", tmp_path) == []


def test_every_module_of_targets_is_found():
    assert set(harness.target_names()) == {p.stem for p in (Path(__file__).parent / "targets").glob("*.py")}
    assert all(isinstance(harness.find_target(name), Target) for name in harness.target_names())
