"""Tasks on folders of images that are laid out as MVTec AD."""

import numpy as np
import pytest
from PIL import Image

from egbad.benchmark import suites
from egbad.benchmark.jobs import make_jobs
from egbad.benchmark.measurement import measure
from egbad.benchmark.suites import Variant
from egbad.errors import InvalidInputError


@pytest.fixture
def sets(tmp_path):
    """Write two data sets, whose images have two sizes, with bright squares as defects."""
    rng = np.random.default_rng(0)
    for name in ("nuts", "bolts"):
        for kind, n in (("train/good", 20), ("test/good", 6), ("test/spot", 5)):
            (tmp_path / name / kind).mkdir(parents=True)
            for i in range(n):
                pixels, mask = rng.integers(100, 120, (24 + i % 2, 30, 3)), np.zeros((24 + i % 2, 30), np.uint8)
                mask[4:12, 6:14] = 255 * (kind == "test/spot")
                pixels += 90 * (mask[..., None] > 0)
                Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / name / kind / f"{i}.png")
                if mask.any():
                    (tmp_path / name / "ground_truth/spot").mkdir(parents=True, exist_ok=True)
                    Image.fromarray(mask).save(tmp_path / name / "ground_truth/spot" / f"{i}_mask.png")
    return tmp_path


def test_each_folder_is_a_task_that_every_detector_reads_at_its_size(sets):
    suite = suites.find_suite(str(sets), "clean")
    tasks = suite.tasks("clean", None)
    assert suite.images and [task.name for task in tasks] == ["bolts", "nuts"]
    assert len({task.identity for task in tasks}) == 2
    tiled = Variant("tiled", "tiled", {"detector": "pca", "tile_size": 12})
    for job in make_jobs(tasks[:1], [Variant("pca", "pca"), tiled], 1):
        record = measure(job)
        assert (record["training_rows"], record["test_rows"], record["base_rate"]) == (20, 11, 5 / 11)
        assert record["metrics"]["auroc"] == 1 and record["metrics"]["by_kind"] is None
        assert record["metrics"]["pixel_auroc"] > 0.9 and record["metrics"]["peaks_in_masks"] == 1
        assert record["repeats"] == 0
    again, other = (task.load(0)[1] for task in tasks)
    assert again == record["digest"] != other


def test_a_folder_of_one_data_set_is_one_task(sets):
    assert [task.name for task in suites.find_suite(str(sets / "nuts"), "clean").tasks("clean", None)] == ["nuts"]


def test_other_folders_are_refused(sets):
    with pytest.raises(InvalidInputError, match="must hold folders of images laid out as MVTec AD"):
        suites.find_suite(str(sets / "nuts" / "train"), "clean").tasks("clean", None)
    with pytest.raises(InvalidInputError, match="must be clean, got 'paper'"):
        suites.find_suite(str(sets), "paper")
    (sets / "nuts/test/spot").rename(sets / "spot")
    (task,) = suites.find_suite(str(sets / "nuts"), "clean").tasks("clean", None)
    with pytest.raises(InvalidInputError, match="must hold a folder 'good' and folders of defects, got one kind"):
        task.load(0)
