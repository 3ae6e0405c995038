"""The script that measures anomalies among the training rows."""

import json

import contamination
import numpy as np
import pytest
from design_tables import contamination_by_table

from egbad.benchmark.table_tasks import FixedSplitTask
from egbad.errors import InvalidInputError


@pytest.fixture
def table(tmp_path):
    """A table with a published split: 100 training rows, and 40 anomalies among 80 test rows, numbered from 0 and from 1000."""
    test = np.concatenate([np.arange(100.0, 140), np.arange(1000.0, 1040)])[:, None]
    np.savez(
        tmp_path / "t.npz", train=np.arange(100.0)[:, None], test=test, test_labels=(test[:, 0] >= 1000).astype(np.int8)
    )
    return FixedSplitTask("t", "oddbench/t", "clean", path=tmp_path / "t.npz")


def test_anomalies_move_from_the_test_rows_to_the_training_rows(table):
    split, digest = contamination.contaminated_task(table, 0.1).load(0)
    moved = split.x_train[split.x_train >= 1000]
    assert len(split.x_train) == 100 and len(moved) == 10 and digest == table.load(0)[1]
    assert len(split.x_test) == 70 and split.anomalous.sum() == 30
    assert not set(moved) & set(split.x_test.ravel())
    assert contamination.contaminated_task(table, 0.1).identity == "t, 0.1 mixed in"


def test_runs_cover_the_levels_that_the_anomalies_suffice_for(table):
    assert contamination.largest_contamination(table) == 0.2
    jobs = contamination.find_jobs([table], [contamination.variant_named("blend-nearest")], 2)
    labels = [job.variant.label for job in jobs if job.seed == 1]
    assert labels == [
        *("blend-nearest, trim 0", "blend-nearest, trim 0", "blend-nearest, trim 0.1"),
        *("blend-nearest, trim 0", "blend-nearest, trim 0.3", "blend-nearest, trim 0", "blend-nearest, trim 0.4"),
    ]
    assert len({job.key for job in jobs}) == len(jobs) == 14
    assert jobs[2].variant.parameters == {"recipe": "nearest", "preprocessing__trim_fraction": 0.1}


def test_a_part_of_the_blend_is_a_detector_of_its_own():
    assert contamination.variant_named("column-gap").detector == "column_gap"
    with pytest.raises(InvalidInputError, match="There is no detector 'column-gab'. Did you mean 'column-gap'"):
        contamination.variant_named("column-gab")


def test_changes_are_means_over_data_sets(tmp_path):
    def line(task, fraction, trim, value, seed=0):
        key = f"clean|{task}, duplicates removed, {fraction} mixed in|a, trim {trim}|{{}}|{seed}"
        metrics = {"auroc": value, "average_precision": value / 2}
        return {"key": key, "task": task, "label": f"a, trim {trim}", "seed": seed, "status": "ok", **metrics}

    lines = [
        *(line(task, "0", "0", 0.9) for task in ("t1", "t2", "t3")),
        *(line("t1", "0.05", "0", value, seed) for seed, value in enumerate((0.7, 0.8))),
        line("t2", "0.05", "0", 0.85),
        line("t1", "0.05", "0.3", 0.9),
    ]
    (tmp_path / "runs.jsonl").write_text("".join(json.dumps(own) + "\n" for own in lines))
    rows = contamination_by_table(tmp_path).splitlines()[2:]
    assert rows == [
        "| a | 5% | no | 2 | 0.900 | -0.100 [-0.150, -0.050] | 0.450 | -0.050 [-0.075, -0.025] |",
        "| a | 5% | yes | 1 | 0.900 | +0.000 [+0.000, +0.000] | 0.450 | +0.000 [+0.000, +0.000] |",
    ]
