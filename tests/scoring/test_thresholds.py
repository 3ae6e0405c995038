"""Thresholds: known answers, and agreement with trying every threshold."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from egbad.errors import InvalidInputError
from egbad.scoring.metrics import count_flags
from egbad.scoring.thresholds import CRITERIA, choose_threshold, split_halves

SCORES = np.array([0.0, 1.0, 2.0, 3.0, 4.0, 5.0])
ANOMALOUS = np.array([False, False, True, False, True, True])


@pytest.mark.parametrize(
    ("criterion", "value", "threshold"),
    [
        ("f1", None, 1.5),  # F1 is 6/7; it is 4/5 at 3.5
        ("precision", 1.0, 3.5),
        ("precision", 0.7, 1.5),
        ("recall", 0.6, 3.5),
        ("recall", 1.0, 1.5),
        ("cost", 3.0, 1.5),  # one false alarm costs less than one miss
        ("cost", 0.5, 3.5),
        ("flags", 0.5, 2.5),
        ("flags", 0.1, 5.0),  # nothing
        ("flags", 1.0, np.nextafter(0.0, -1)),  # everything
    ],
)
def test_known_answers(criterion, value, threshold):
    assert choose_threshold(SCORES, ANOMALOUS, criterion, value) == threshold


LABELLED = st.lists(st.tuples(st.integers(0, 8), st.booleans()), min_size=2, max_size=40).filter(
    lambda rows: len({label for _, label in rows}) == 2
)


@settings(max_examples=60)
@given(LABELLED, st.sampled_from(CRITERIA), st.sampled_from([0.05, 0.3, 0.5, 1.0]))
def test_no_other_threshold_is_better(rows, criterion, value):
    scores, anomalous = np.array([row[0] for row in rows], float), np.array([row[1] for row in rows])
    every = [count_flags(scores, anomalous, t) for t in (-1.0, *(np.unique(scores) + 0.5))]
    merits = {
        "f1": lambda flags: flags.f1,
        "precision": lambda flags: flags.recall if (flags.precision or 0) >= value else -1,
        "recall": lambda flags: -flags.flagged if flags.recall >= value else -1e9,
        "cost": lambda flags: -(value * (flags.anomalies - flags.detected) + flags.false_alarms),
        "flags": lambda flags: flags.flagged if flags.flagged_share <= value else -1,
    }
    best = max(map(merits[criterion], every))
    if best == -1 and criterion == "precision":
        with pytest.raises(InvalidInputError, match="No threshold has a precision of"):
            choose_threshold(scores, anomalous, criterion, value)
        return
    chosen = choose_threshold(scores, anomalous, criterion, None if criterion == "f1" else value)
    assert merits[criterion](count_flags(scores, anomalous, chosen)) == pytest.approx(best)


def test_a_budget_needs_no_labels():
    assert (choose_threshold(SCORES, None, "flags", 2 / 6) < SCORES).sum() == 2
    with pytest.raises(InvalidInputError, match="needs labels"):
        choose_threshold(SCORES, None, "recall", 0.5)


@pytest.mark.parametrize(
    ("criterion", "value", "message"),
    [
        ("recal", 0.5, "Did you mean 'recall'"),
        ("f1", 0.5, "takes no value, got 0.5"),
        ("recall", None, r"in \(0, 1\], got None"),
        ("precision", 1.5, r"in \(0, 1\], got 1.5"),
        ("flags", float("nan"), r"in \(0, 1\], got nan"),
        ("cost", -1.0, "must be positive, got -1.0"),
    ],
)
def test_a_value_out_of_range_is_refused(criterion, value, message):
    with pytest.raises(InvalidInputError, match=message):
        choose_threshold(SCORES, ANOMALOUS, criterion, value)


def test_halves_are_disjoint_complete_and_alike():
    rng = np.random.default_rng(0)
    scores, anomalous = rng.normal(size=400), np.arange(400) < 21
    first, second = split_halves(scores, anomalous)
    assert sorted([*first, *second]) == [*range(400)]
    assert {anomalous[first].sum(), anomalous[second].sum()} == {10, 11}
    assert np.array_equal(first, split_halves(scores, anomalous)[0]) and len(first) in (199, 200, 201)


def test_equal_rows_stay_together():
    scores = np.repeat(np.arange(20.0), 5)
    first, second = split_halves(scores, np.repeat(np.arange(20) % 4 == 0, 5))
    assert not set(scores[first]) & set(scores[second])


def test_halves_need_two_rows_of_each_kind():
    with pytest.raises(InvalidInputError, match="there must be two anomalies with different scores"):
        split_halves([1.0, 2.0, 3.0, 3.0], [False, False, True, True])
