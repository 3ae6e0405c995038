"""Damaged files of every kind end in a result or in one sentence of the library."""

import random
import time
from itertools import count

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as hypothesis_seed
from hypothesis import strategies as st

from tests.fuzz.harness import Worker, find_target, mutation, regressions, store, target_names

SECONDS = 300  # of all targets together
_INPUTS = 200  # between two looks at the clock


@pytest.fixture(scope="module", params=target_names())
def name(request):
    return request.param


@pytest.fixture(scope="module")
def target(name):
    return find_target(name)


@pytest.fixture(scope="module")
def worker(target):
    with Worker(target) as worker:
        yield worker


def test_regressions_end_in_a_result_or_in_an_error_of_the_library(name, worker):
    outcomes = {path.name: worker.run(path.read_bytes()) for path in regressions(name)}
    assert {file: outcome.message for file, outcome in outcomes.items() if outcome.kind == "failed"} == {}


@pytest.mark.slow
def test_seeds_are_used(target, worker):
    assert [outcome for content in target.seeds() if (outcome := worker.run(content)).kind != "used"] == []


@pytest.mark.slow
def test_mutations_end_in_a_result_or_in_an_error_of_the_library(name, target, worker):
    seeds, end, found = target.seeds(), time.monotonic() + SECONDS / len(target_names()), b""

    @settings(
        max_examples=_INPUTS,
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=[*HealthCheck],
    )
    @given(st.randoms(use_true_random=False))
    def run(rng: random.Random) -> None:
        nonlocal found
        content = mutation(target, seeds, rng)
        outcome = worker.run(content)
        if outcome.kind == "failed":
            found = content
        assert outcome.kind != "failed", outcome.message

    rounds = count()
    while time.monotonic() < end:
        try:
            hypothesis_seed(next(rounds))(run)()
        except AssertionError:
            pytest.fail(
                f"Stored as {store(name, found, target.suffix)}; mend the fault and commit it.\n{found[:200]!r}"
            )
