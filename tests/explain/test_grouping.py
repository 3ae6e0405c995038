"""Many reasons as few causes: known answers, and what holds for any shares."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from egbad.explain.explanation import Explanation
from egbad.explain.grouping import REGIONS, group_explanations, region_shares


def explanation(shares, found=None, expected=None):
    n = len(shares)
    found = np.zeros(shares.shape) if found is None else found
    expected = np.zeros(shares.shape) if expected is None else expected
    columns = tuple("abcdefgh"[: shares.shape[1]]) if shares.ndim == 2 else ()
    return Explanation(shares.reshape(n, -1).sum(1), np.zeros(n), shares, found, expected, columns, "exact")


def test_rows_with_one_reason_are_one_cause():
    shares = np.full((60, 6), 0.02)
    shares[:30, 0] = 5
    shares[30:50, 1:3] = 3  # two columns that go together, now the one ahead and now the other
    shares[30:50:2, 1] += 0.5
    shares[50:, 5] = 1
    found = group_explanations(explanation(shares))
    assert [(cause.names, len(cause.rows)) for cause in found] == [(("a",), 30), (("b",), 20), (("f",), 10)]
    assert found[1].rows.tolist() == [*range(30, 50)], "and not two causes"


def test_more_causes_than_wanted_are_one_at_the_end():
    found = group_explanations(explanation(np.eye(8)), max_groups=5)
    assert [len(cause.rows) for cause in found] == [1, 1, 1, 1, 1, 3]
    assert found[-1].names == ()


def test_what_is_typical_is_told():
    shares = np.tile([1.0, 0.9], (4, 1))
    values = np.array([[1.0, "tcp"], [9.0, "tcp"], [3.0, None], [5.0, "udp"]], dtype=object)
    (cause,) = group_explanations(explanation(shares, values, np.full((4, 2), None, dtype=object)))
    assert (cause.names, cause.observed, cause.expected) == (("a",), (5.0,), (None,))


def test_a_region_of_images_is_named():
    heat = np.zeros((3, 12, 15))
    heat[:, 9:, 11:] = 1
    names, weights = region_shares(heat)
    assert names == REGIONS and weights[:, REGIONS.index("lower right")].tolist() == [1, 1, 1]
    (cause,) = group_explanations(explanation(heat))
    assert cause.names == ("lower right",)


@given(arrays(np.float64, (12, 5), elements=st.floats(-1e6, 1e6)))
def test_every_row_has_one_cause(shares):
    found = group_explanations(explanation(shares), max_groups=3)
    rows = np.concatenate([cause.rows for cause in found])
    assert sorted(rows.tolist()) == [*range(12)]
    sizes = [len(cause.rows) for cause in found if cause.names]
    assert sizes == sorted(sizes, reverse=True) and len(sizes) <= 3
