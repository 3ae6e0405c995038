"""Tasks: their identity, and rows of a user."""

import pickle
from dataclasses import replace

import numpy as np
from PIL import Image

from egbad.benchmark.table_protocols import adbench
from egbad.benchmark.tasks import Task, user_task
from egbad.data import Data, read
from egbad.data.lazy_images import decode_all


def test_a_users_task_is_loaded_from_its_store(task, labelled_rows, tmp_path):
    x, anomalous = labelled_rows
    split, digest = task.load(0)
    assert len(split.x_train) == 200 and split.anomalous.sum() == anomalous.sum() and digest == task.digest
    unlabelled = user_task("rows.csv", Data(x), None, tmp_path / "unlabelled.npz")
    assert unlabelled.load(0)[0].anomalous is None and unlabelled.identity != task.identity


def test_a_revision_is_part_of_the_identity():
    first = Task("table", "adbench/table", "clean", adbench)
    assert first.identity == "table" and replace(first, revision="second").identity == "table, second"


def test_images_of_several_sizes_stay_in_their_files(tmp_path):
    rng, folder = np.random.default_rng(0), tmp_path / "photos"
    folder.mkdir()
    for i in range(12):
        Image.fromarray(rng.integers(0, 256, (12 + i, 20), dtype=np.uint8)).save(folder / f"{i:02}.png")
    data, anomalous = read(folder, lazy=True), np.arange(12) >= 8
    task = user_task("photos", data, anomalous, tmp_path / "data.npz")
    split, digest = pickle.loads(pickle.dumps(task)).load(0)
    heights = [image.shape[0] for image in split.x_test]
    assert len(split.x_train) == 4 and heights[-4:] == [20, 21, 22, 23] and split.anomalous.sum() == 4
    assert np.array_equal(split.x_test[-1], decode_all(data.x)[-1])
    assert (tmp_path / "data.npz").stat().st_size < 1_000, "the store holds the labels only"
    Image.fromarray(rng.integers(0, 256, (12, 20), dtype=np.uint8)).save(folder / "00.png")
    other = user_task("photos", read(folder, lazy=True), anomalous, tmp_path / "other.npz")
    assert digest == task.digest != other.digest
