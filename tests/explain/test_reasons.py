"""Tests of `egbad.explain.reasons`."""

from egbad.explain import Reason


def test_a_reason_needs_no_comparison_with_normal_rows():
    reason = Reason("bytes", 1.5, 9.0, 2.0)
    assert (reason.low, reason.high, reason.p_value) == (None, None, None)
