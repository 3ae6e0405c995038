"""Tasks: their identity, and rows of a user."""

from dataclasses import replace

from egbad.benchmark.table_protocols import adbench
from egbad.benchmark.tasks import Task, user_task
from egbad.data import Data


def test_a_users_task_is_loaded_from_its_store(task, labelled_rows, tmp_path):
    x, anomalous = labelled_rows
    split, digest = task.load(0)
    assert len(split.x_train) == 200 and split.anomalous.sum() == anomalous.sum() and digest == task.digest
    unlabelled = user_task("rows.csv", Data(x), None, tmp_path / "unlabelled.npz")
    assert unlabelled.load(0)[0].anomalous is None and unlabelled.identity != task.identity


def test_a_revision_is_part_of_the_identity():
    first = Task("table", "adbench/table", "clean", adbench)
    assert first.identity == "table" and replace(first, revision="second").identity == "table, second"
