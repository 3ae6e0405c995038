"""Tasks, detectors and protocols: every one can be had, and says what is wrong with it."""

import numpy as np
import pytest

from egbad import datasets
from egbad.benchmark import protocols, suites
from egbad.datasets import Dataset
from egbad.detectors.registry import all_detectors, create
from egbad.errors import EgbadError, InvalidInputError


def test_every_detector_and_variant_can_be_made():
    assert set(all_detectors()) <= set(suites.VARIANTS)
    for entry in suites.VARIANTS.values():
        create(entry.detector, **entry.parameters)


def test_the_naive_baselines_are_always_there_and_the_searching_ones_not_on_images():
    assert [e.label for e in suites.select_variants(["vae"], images=True)] == [*suites.BASELINES, "vae"]
    labels = [e.label for e in suites.select_variants([], images=True)]
    assert not set(suites.SLOW_ON_IMAGES) & set(labels)
    assert set(suites.SLOW_ON_IMAGES) <= {e.label for e in suites.select_variants([], images=False)}
    assert "anogan" in {e.label for e in suites.select_variants(["anogan"], images=True)}
    with pytest.raises(InvalidInputError, match="Did you mean 'egbad'"):
        suites.select_variants(["egbat"], images=False)


@pytest.mark.parametrize("name", suites.SUITES)
def test_every_protocol_gives_tasks_with_their_own_names(name, data_dir):
    suite = suites.SUITES[name]
    for protocol in ("clean", *suite.published):
        tasks = suites.find_suite(name, protocol).tasks(protocol, data_dir)
        assert len({task.identity for task in tasks}) == len(tasks) > 0
        assert all(task.dataset in datasets.names() for task in tasks)
        assert protocol != "clean" or not any(task.faults or task.parameters for task in tasks)


def test_unknown_names_are_answered_with_the_nearest():
    with pytest.raises(InvalidInputError, match="Did you mean 'kdd99'"):
        suites.find_suite("kdd9", "clean")
    with pytest.raises(InvalidInputError, match="Did you mean 'clean'"):
        suites.find_suite("kdd99", "claen")
    with pytest.raises(InvalidInputError, match="must be run under the protocol clean, got 'released'"):
        suites.find_suite("adbench", "released")


@pytest.mark.parametrize(
    ("name", "protocol"),
    [("kdd99", "released"), ("kdd99_rev", "clean"), ("arrhythmia", "clean"), ("arrhythmia", "released"),
     ("adbench", "clean"), ("mnist", "released"), ("mnist_one_normal", "clean"), ("magnetic_tile", "clean")],
)  # fmt: skip
def test_splits_of_real_files(name, protocol, data_dir):
    task = suites.find_suite(name, protocol).tasks(protocol, data_dir)[0]
    split, digest = task.load(0, data_dir)
    assert digest
    assert 0 < split.anomalous.mean() < 1
    assert len(split.x_test) == len(split.anomalous)
    again, _ = task.load(0, data_dir)
    assert np.array_equal(again.x_train, split.x_train) and np.array_equal(again.x_test, split.x_test)


def test_the_released_mnist_split_leaks_four_in_five(data_dir):
    task = suites.find_suite("mnist", "released").tasks("released", data_dir)[9]
    split, _ = task.load(0, data_dir)
    known = {image.tobytes() for image in split.x_train}
    leaked = np.mean([image.tobytes() in known for image in split.x_test[~split.anomalous]])
    assert leaked == pytest.approx(0.8, abs=0.01)
    assert "80%" in split.notes[0] and task.faults


def test_tiles_and_their_masks(data_dir):
    data = datasets.load("magnetic_tile", data_dir)
    normal = data.labels == "MT_Free"
    assert data.x.shape == data.masks.shape == (1344, 64, 64)
    assert normal.sum() == 952
    assert not data.masks[normal].any()
    assert data.masks[~normal].any((1, 2)).sum() == 388


def test_a_file_that_is_published_nowhere_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("EGBAD_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("EGBAD_DATA", raising=False)
    with pytest.raises(EgbadError, match="published nowhere in this form. Put it into a data folder"):
        datasets.load("magnetic_tile", tmp_path)


def numbered(labels):
    labels = np.asarray(labels)
    return Dataset("made", np.arange(float(len(labels)))[:, None], labels, None, "", "", "")


def test_normals_are_shared_and_everything_else_is_met():
    data = numbered(np.arange(100) % 4)
    split = protocols.share_of_normals(data, 0, share=0.8, seed=1)
    train, test = split.x_train.ravel().astype(int), split.x_test.ravel().astype(int)
    assert len(train) == 20 and (data.labels[train] == 0).all()
    assert not set(train) & set(test) and len(train) + len(test) == 100
    assert np.array_equal(split.places, test)
    assert split.top_share == split.anomalous.mean() == 75 / 80
    with pytest.raises(InvalidInputError, match="must have rows labelled 9"):
        protocols.share_of_normals(data, 9)


def test_one_class_is_normal_on_the_official_halves():
    data = numbered(np.arange(60) % 3)
    split = protocols.one_normal(data, 1, 30)
    assert (split.x_train.ravel() % 3 == 1).all() and split.x_train.max() < 30
    assert np.array_equal(split.x_test.ravel(), np.arange(30, 60))
    assert np.array_equal(split.anomalous, np.arange(30, 60) % 3 != 1)


def test_without_labels_half_is_learned_and_half_is_scored():
    split = protocols.unlabelled_half(numbered(np.zeros(9)), seed=3)
    assert len(split.x_train) == 4 and len(split.x_test) == 5 and split.anomalous is None
    assert sorted([*split.x_train.ravel(), *split.x_test.ravel()]) == list(range(9))


def test_the_rev_task_has_one_attack_in_five():
    labels = np.where(np.arange(2000) < 400, "normal.", "smurf.")
    split = protocols.kdd99_rev(numbered(labels), seed=0)
    assert (split.x_train < 400).all()
    assert len(split.x_train) + len(split.x_test) + (100 - split.anomalous.sum()) == 500
    assert split.anomalous.mean() == pytest.approx(0.2, abs=0.05)
