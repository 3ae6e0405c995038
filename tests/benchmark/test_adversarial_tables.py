"""Comparisons of EGBAD with and without parts of its loss, as the results page shows them."""

import pytest
from adversarial_tables import Suite, bootstrap, by_variant, compare, extremes, interval, rank_test, verdict


def lines(label, values):
    """Return lines of one variant: AUROC by task, a value for each seed; each fit takes as many seconds as AUROC."""
    return [
        {"label": label, "task": task, "seed": seed, "auroc": value, "seconds": {"fit": value}}
        for task, own in values.items()
        for seed, value in enumerate(own)
    ]


def suite(ours, theirs):
    return Suite("S", "table", 9, by_variant(lines("egbad", ours) + lines("other", theirs), "label", "task"))


def test_only_runs_of_both_count_and_seeds_are_averaged_within_a_task():
    found = compare(suite({"a": [0.5, 0.7], "b": [0.9, 0.1], "c": [0.3]}, {"a": [0.4, 0.4], "b": [0.6]}), "other")
    assert (found.tasks, found.seeds) == (["a", "b"], (1, 2))
    assert found.differences == {"auroc": [pytest.approx(0.2), pytest.approx(0.3)]}
    assert found.means["auroc"] == (pytest.approx((0.6 + 0.9) / 2), pytest.approx((0.4 + 0.6) / 2))
    assert found.slowdown == pytest.approx(1.5)


def test_a_single_task_is_compared_seed_by_seed():
    found = compare(suite({"a": [0.5, 0.7]}, {"a": [0.4, 0.9]}), "other")
    assert found.differences["auroc"] == [pytest.approx(0.1), pytest.approx(-0.2)]
    assert compare(suite({"a": [0.5]}, {"b": [0.5]}), "other") is None


def test_the_bootstrap_interval_is_the_same_in_every_call_and_needs_five_values():
    values = [0.1, 0.2, 0.0, 0.3, -0.1, 0.2]
    low, high = bootstrap(values)
    assert (low, high) == bootstrap(values)
    assert min(values) < low < sum(values) / 6 < high < max(values)
    assert bootstrap(values[:4]) is None
    assert interval([0.3, 0.1]) == "+0.200 [+0.100, +0.300]"


def test_six_differences_of_one_sign_have_the_smallest_p_of_the_rank_test():
    assert rank_test([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.0]) == pytest.approx(2 / 2**6)
    assert rank_test([0.1, 0.2, 0.3]) is None


@pytest.mark.parametrize(
    ("theirs", "words"),
    [
        (0.1, "higher AUROC"),
        (0.9, "lower AUROC"),
        (0.5, "no clear difference"),
    ],
)
def test_the_verdict_follows_the_interval(theirs, words):
    ours = {f"t{i}": [0.5 + 0.01 * (-1) ** i] for i in range(6)}
    assert verdict(compare(suite(ours, {task: [theirs] for task in ours}), "other")) == words


def test_the_tasks_with_the_largest_gain_and_loss_are_named():
    ours = {f"t{i}": [0.5 + 0.1 * i] for i in range(5)}
    found = compare(suite(ours, {task: [0.6] for task in ours}), "other")
    assert extremes(found) == " From -0.100 (t0) to +0.300 (t4) by table or digit."


def test_few_tasks_have_no_verdict():
    assert verdict(compare(suite({"a": [0.9]}, {"a": [0.1]}), "other")) == "too few runs for an interval"
