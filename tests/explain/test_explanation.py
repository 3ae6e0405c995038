"""Explanations as values: selection, reasons, concatenation and distribution of shares."""

import numpy as np
import pytest

from egbad.explain.comparison import LazyComparison
from egbad.explain.explanation import Attribution, Explanation, concatenate, distribute


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


def test_a_column_with_the_expected_value_is_no_reason():
    shares, observed = np.array([[3.0, 2.0, 1.0, -1.0]]), np.array([[4.0, 2.5, 7.0, 9.0]])
    expected = np.array([[3.8, 2.5, 5.0, 1.0]])
    plain = Explanation(shares.sum(1), np.zeros(1), shares, observed, expected, tuple("abcd"), "exact")
    assert [(reason.column, reason.expected) for reason in plain.top(4)[0]] == [("a", 3.8), ("c", 5.0)]
    lazy = LazyComparison(observed, expected, lambda x, y: (x, y - 1, y + 1), np.array([0, 1, 0, 0]))
    rounded = Explanation(
        shares.sum(1), np.zeros(1), shares, observed, expected, tuple("abcd"), "exact", comparison=lazy
    )
    assert [(reason.column, reason.expected) for reason in rounded.top(4)[0]] == [("c", 5.0)]


def test_a_row_that_differs_nowhere_is_unusual_in_its_largest_column():
    shares, values = np.array([[1.0, 3.0]]), np.ones((1, 2))
    (reasons,) = Explanation(shares.sum(1), np.zeros(1), shares, values, values, ("a", "b"), "exact").top(2)
    assert [(reason.column, reason.observed, reason.expected) for reason in reasons] == [("b", 1.0, None)]


def test_unknown_expected_values_of_categories_are_reasons():
    shares = np.array([[2.0, 1.0], [2.0, 1.0]])
    observed = np.array([["x", np.nan], [None, 1.0]], dtype=object)
    expected = np.array([[None, np.nan], [None, 1.0]], dtype=object)
    types = ("category", "number")
    found = Explanation(
        shares.sum(1), np.zeros(2), shares, observed, expected, ("a", "b"), "exact", column_types=types
    ).top(2)
    assert [[(reason.column, reason.observed) for reason in reasons] for reasons in found] == [
        [("a", "x")],
        [("a", None)],
    ]


def test_a_frame_has_a_line_for_each_row_and_column():
    calls = []
    frame = explanation(comparison=comparison(calls)).to_frame()
    assert [*frame] == ["row", "score", "column", "share", "observed", "expected", "low", "high", "p_value"]
    assert frame["row"].tolist() == [0, 0, 1, 1] and frame["column"].tolist() == ["a", "b", "a", "b"]
    assert frame["share"].tolist() == [1.0, 3.0, 2.0, 0.5] and frame["score"].tolist() == [4.0, 4.0, 2.5, 2.5]
    assert calls == [2]
    assert explanation().to_frame(1)["column"].tolist() == ["b", "a"]
