"""Kinds of tables."""

import numpy as np

from egbad.benchmark.table_kinds import GROUPS, column_facts, kinds_of_table


def test_columns_of_few_values_are_discrete():
    rng = np.random.default_rng(0)
    x = np.column_stack([rng.normal(size=300), np.arange(300) % 30, np.arange(300) % 31, np.full(300, np.nan)])
    x[:5, 0] = np.nan
    assert column_facts(x) == {"columns": 4, "discrete_share": 0.5}
    assert column_facts(np.zeros((2, 4, 4))) == {}


def test_every_table_is_in_one_bin_of_each_group():
    record = {"training_rows": 2000, "test_rows": 200, "repeats": 2, "columns": 4, "discrete_share": 0.3}
    assert kinds_of_table(record) == {
        "training rows": "2,000 to 5,000",
        "columns": "up to 4",
        "discrete columns": "a quarter to a half",
        "test rows that equal a training row": "up to 1%",
    }
    for group in GROUPS:
        assert len(group.names) == len(group.bounds) + 1
        assert [group.bin_of(bound) for bound in group.bounds] == [*group.names[:-1]]
        assert group.bin_of(1e9) == group.names[-1]


def test_a_run_without_facts_has_no_kinds():
    assert kinds_of_table({"training_rows": 10}) == {"training rows": "up to 500"}
