"""Comparison of detectors with the better of several baselines over many tables."""

import pytest

from egbad.benchmark.table_comparison import compare_with_baseline

VALUES = {
    "a": {"t1": 0.5, "t2": 0.5},
    "b": {"t1": 0.9, "t2": 0.5, "t3": 0.4},
    "c": {"t1": 1.0, "t2": 0.6, "t3": 0.1},
    "failed": {},
}
KINDS = {"t1": {"rows": "few"}, "t2": {"rows": "many"}, "t3": {"rows": "many"}}


def test_detectors_are_compared_with_the_better_baseline():
    found = compare_with_baseline("auroc", VALUES, ["a", "b"], KINDS)
    assert (found.baseline, found.n_tables) == ("b", 3), "by the two tables that both have"
    assert found.baseline_mean == pytest.approx(0.6)
    c, a = found.rows
    assert c.label == "c" and c.difference.mean == pytest.approx(-0.1 / 3) and c.difference.wins == 2
    assert a.label == "a" and a.difference.n == 2 and a.difference.mean == pytest.approx(-0.2)
    assert found.n_by_kind == {"rows": {"few": 1, "many": 2}}
    assert c.by_kind["rows"]["many"].mean == pytest.approx(-0.1) and a.by_kind["rows"]["many"].n == 1


def test_p_values_are_corrected_for_the_number_of_detectors():
    tables = [f"t{i}" for i in range(8)]
    values = {
        "base": dict.fromkeys(tables, 0.0),
        "better": {t: 0.1 + i / 100 for i, t in enumerate(tables)},
        "mixed": {t: (-1) ** i * (i + 1) / 100 for i, t in enumerate(tables)},
    }
    found = compare_with_baseline("auroc", values, ["base"], {})
    assert [row.label for row in found.rows] == ["better", "mixed"]
    assert found.rows[0].difference.p_value == pytest.approx(2 / 2**8)
    assert found.rows[0].corrected_p == pytest.approx(2 * 2 / 2**8)
    assert found.rows[1].corrected_p == found.rows[1].difference.p_value and found.n_by_kind == {}


def test_without_a_baseline_there_is_no_comparison():
    assert compare_with_baseline("auroc", VALUES, ["failed", "unknown"], KINDS) is None
