"""Groups of explanations: known answers, and properties for any shares."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from egbad.data.ragged import ragged_array, sum_per_sample
from egbad.explain.explanation import Explanation
from egbad.explain.grouping import group_explanations
from egbad.explain.regions import Region


def explanation(shares, observed=None, expected=None):
    n = len(shares)
    observed = np.zeros(shares.shape) if observed is None else observed
    expected = np.zeros(shares.shape) if expected is None else expected
    columns = tuple("abcdefgh"[: shares.shape[1]]) if shares.ndim == 2 else ()
    return Explanation(sum_per_sample(shares), np.zeros(n), shares, observed, expected, columns, "exact")


def test_rows_with_the_same_columns_form_one_group():
    shares = np.full((60, 6), 0.02)
    shares[:30, 0] = 5
    shares[30:50, 1:3] = 3  # two columns that vary together; either may have the larger share
    shares[30:50:2, 1] += 0.5
    shares[50:, 5] = 1
    groups = group_explanations(explanation(shares))
    assert [(group.names, len(group.rows)) for group in groups] == [(("a",), 30), (("b",), 20), (("f",), 10)]
    assert groups[1].rows.tolist() == [*range(30, 50)], "not two groups"


def test_further_groups_are_merged_into_a_last_one():
    groups = group_explanations(explanation(np.eye(8)), max_groups=5)
    assert [len(group.rows) for group in groups] == [1, 1, 1, 1, 1, 3]
    assert groups[-1].names == ()


def test_typical_values_are_medians_and_modes():
    shares = np.tile([1.0, 0.9], (4, 1))
    values = np.array([[1.0, "tcp"], [9.0, "tcp"], [3.0, None], [5.0, "udp"]], dtype=object)
    (group,) = group_explanations(explanation(shares, values, np.full((4, 2), None, dtype=object)))
    assert (group.names, group.observed, group.expected) == (("a",), (5.0,), (None,))


def test_values_that_differ_are_not_typical():
    shares = np.ones((6, 1))
    names = np.array([[f"N{i}"] for i in range(6)], dtype=object)
    (group,) = group_explanations(explanation(shares, names, np.full((6, 1), "N9", dtype=object)))
    assert (group.observed, group.expected, group.is_typical) == ((None,), (None,), (False,))
    both_sides = np.array([[1.0], [2.0], [3.0], [7.0], [8.0], [9.0]])
    (group,) = group_explanations(explanation(shares, both_sides, np.full((6, 1), 5.0)))
    assert group.is_typical == (False,)
    (group,) = group_explanations(explanation(shares, both_sides, np.full((6, 1), 0.5)))
    assert (group.observed, group.expected, group.is_typical) == ((7.0,), (0.5,), (True,))


def test_a_value_that_is_expected_is_not_typical():
    values = np.full((4, 1), "tcp", dtype=object)
    (group,) = group_explanations(explanation(np.ones((4, 1)), values, values))
    assert group.is_typical == (False,)


def test_images_with_a_region_at_one_place_form_a_group():
    heat = np.zeros((5, 12, 15))
    heat[0, 9:12, 11:15] = 2
    heat[1, 8:11, 11:15] = 1  # 8 of 16 pixels of the union are in both
    heat[2, 5, 1:4] = heat[2, 11, 14] = 1
    heat[3, 5, 2:4] = 1
    heat[4, 6:9, 8:12] = 1  # 0 pixels in common with the first, 2 with the second
    groups = group_explanations(explanation(heat))
    assert [(group.names, group.rows.tolist()) for group in groups] == [
        (("lower right",), [0, 1]),
        (("middle left",), [2, 3]),
        (("middle right",), [4]),
    ]
    assert [group.weights for group in groups] == [(1.0,), (0.875,), (1.0,)]
    assert groups[0].region == Region("lower right", 9, 11, 12, 15, 12, 2.0, 1.0, False)
    assert (groups[1].region.size, groups[1].region.share) == (3, 0.75)
    (first, rest) = group_explanations(explanation(heat), max_groups=1)
    assert first.rows.tolist() == [0, 1]
    assert (rest.names, rest.rows.tolist(), rest.region) == ((), [2, 3, 4], None)


def test_places_are_compared_relative_to_the_sizes_of_images():
    heat = ragged_array([np.zeros((10, 10)), np.zeros((30, 40)), np.zeros((30, 40))])
    heat[0][:5, 5:], heat[1][:15, 20:], heat[2][:5, 5:10] = 1, 1, 1
    groups = group_explanations(explanation(heat))
    assert [group.rows.tolist() for group in groups] == [[0, 1], [2]]


@given(arrays(np.float64, (12, 5), elements=st.floats(-1e6, 1e6)))
def test_every_row_belongs_to_one_group(shares):
    groups = group_explanations(explanation(shares), max_groups=3)
    rows = np.concatenate([group.rows for group in groups])
    assert sorted(rows.tolist()) == [*range(12)]
    sizes = [len(group.rows) for group in groups if group.names]
    assert sizes == sorted(sizes, reverse=True) and len(sizes) <= 3
