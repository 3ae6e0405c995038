"""Explanations as values: selection, reasons, concatenation and distribution of shares."""

import numpy as np
import pytest

from egbad.explain.explanation import Attribution, Explanation, LazyComparison, concatenate, distribute


def explanation(**fields):
    shares = np.array([[1.0, 3.0], [2.0, 0.5]])
    observed, expected = np.array([[1.0, np.nan], [3.0, 4.0]]), np.zeros((2, 2))
    return Explanation(shares.sum(1), np.zeros(2), shares, observed, expected, ("a", "b"), "exact", **fields)


def comparison(calls):
    def compare(encoded, expected):
        calls.append(len(encoded))
        distance = np.abs(encoded - expected)
        return 1 / (1 + distance), expected - 1, expected + 1

    return LazyComparison(np.array([[1.0, 9.0], [3.0, 4.0]]), np.zeros((2, 2)), compare)


def test_totals_are_distributed_in_proportion_to_weights():
    assert distribute(np.array([[1.0, 3.0], [0.0, 0.0]]), np.array([8.0, 2.0])).tolist() == [[2, 6], [1, 1]]


def test_reasons_are_sorted_by_share_and_missing_values_are_none():
    first, second = explanation().top(2)
    assert [reason.column for reason in first] == ["b", "a"] and [reason.column for reason in second] == ["a", "b"]
    assert first[0].observed is None and second[0].observed == 3.0
    assert first[0].p_value is first[0].low is first[0].high is None


def test_the_comparison_runs_once_and_only_when_it_is_needed():
    calls = []
    lazy = explanation(comparison=comparison(calls))
    assert calls == []
    assert lazy.p_value[0, 1] == pytest.approx(0.1) and lazy.low[0, 0] == -1 and lazy.high[0, 0] == 1
    assert lazy.top(1)[0][0].p_value == pytest.approx(0.1)
    assert calls == [2]


def test_selected_rows_keep_all_their_fields():
    calls = []
    terms = {"t": np.array([4.0, 2.5])}
    selected = explanation(terms=terms, spread=np.array([0.1, 0.2]), comparison=comparison(calls)).select(np.array([1]))
    assert selected.score.tolist() == [2.5] and selected.terms["t"].tolist() == [2.5]
    assert selected.spread.tolist() == [0.2] and selected.observed.tolist() == [[3.0, 4.0]]
    assert selected.p_value.shape == (1, 2) and calls == [1]


def test_concatenated_batches_equal_one_batch():
    calls = []
    lazy = comparison(calls)

    def batch(rows):
        shares = np.array([[1.0, 3.0], [2.0, 0.5]])[rows]
        n = len(shares)
        return Attribution(
            shares, np.zeros(n), shares, "exact", {"t": shares.sum(1)}, np.ones(n), lazy.select(np.arange(2)[rows])
        )

    whole, joined = batch(slice(0, 2)), concatenate([batch(slice(0, 1)), batch(slice(1, 2))])
    assert np.array_equal(joined.shares, whole.shares) and np.array_equal(joined.terms["t"], whole.terms["t"])
    assert np.array_equal(joined.comparison()[0], whole.comparison()[0])
    assert concatenate([whole]) is whole
