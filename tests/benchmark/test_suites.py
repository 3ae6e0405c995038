"""Suites: every task, detector and protocol can be created, and unknown names are refused."""

import numpy as np
import pytest

from egbad import datasets
from egbad.benchmark import suites
from egbad.benchmark.external import EXTERNAL, create_any, is_available
from egbad.benchmark.protocols import duplicates_of_training_rows
from egbad.benchmark.table_tasks import FixedSplitTask
from egbad.detectors.registry import all_detectors
from egbad.errors import InvalidInputError


def test_every_detector_and_variant_can_be_created():
    assert set(all_detectors()) <= set(suites.VARIANTS)
    for variant in suites.VARIANTS.values():
        create_any(variant.detector, random_state=0, **variant.parameters)


def test_baselines_always_run_and_detectors_that_search_run_on_images_by_request_only():
    assert [v.label for v in suites.select_variants(["vae"], images=True)] == [*suites.BASELINES, "vae"]
    labels = [v.label for v in suites.select_variants([], images=True)]
    assert not set(suites.SLOW_ON_IMAGES) & set(labels)
    assert set(suites.SLOW_ON_IMAGES) <= {v.label for v in suites.select_variants([], images=False)}
    assert "anogan" in {v.label for v in suites.select_variants(["anogan"], images=True)}
    with pytest.raises(InvalidInputError, match="Did you mean 'egbad'"):
        suites.select_variants(["egbat"], images=False)


def test_tables_are_compared_with_two_nearest_neighbours_and_installed_packages():
    chosen = [v.label for v in suites.select_variants(["vae"], images=False, references=suites.NEAREST_NEIGHBOURS)]
    assert chosen == ["knn-standard", "knn-minmax", *suites.BASELINES, "vae"]
    every = {v.label for v in suites.select_variants([], images=False, references=suites.NEAREST_NEIGHBOURS)}
    assert every & set(EXTERNAL) == {name for name in EXTERNAL if is_available(name)} and "blend-nearest" in every
    without = {v.label for v in suites.select_variants([], images=False)}
    assert not without & {*EXTERNAL, "blend-nearest", "knn-minmax"}
    assert "pyod-knn" in {v.label for v in suites.select_variants(["pyod-knn"], images=False)}


@pytest.mark.parametrize("name", suites.SUITES)
def test_every_protocol_has_tasks_with_different_names(name, data_dir):
    suite = suites.SUITES[name]
    for protocol in ("clean", *suite.published):
        tasks = suites.find_suite(name, protocol).tasks(protocol, data_dir)
        assert len({task.identity for task in tasks}) == len(tasks) > 0
        fixed = [isinstance(task, FixedSplitTask) for task in tasks]
        assert all(fixed) or all(task.dataset in datasets.names() for task in tasks)
        assert protocol != "clean" or not any(task.caveats or task.parameters for task in tasks)


def test_unknown_names_are_refused_with_the_nearest_name():
    with pytest.raises(InvalidInputError, match="Did you mean 'kdd99'"):
        suites.find_suite("kdd9", "clean")
    with pytest.raises(InvalidInputError, match="Did you mean 'clean'"):
        suites.find_suite("kdd99", "claen")
    with pytest.raises(
        InvalidInputError, match="The protocol of the benchmark 'oddbench' must be clean, got 'released'"
    ):
        suites.find_suite("oddbench", "released")


@pytest.mark.parametrize(
    ("name", "protocol"),
    [("kdd99", "released"), ("kdd99_rev", "clean"), ("arrhythmia", "clean"), ("arrhythmia", "released"),
     ("adbench", "clean"), ("adbench", "released"), ("oddbench", "clean"), ("mnist", "released"),
     ("mnist_one_normal", "clean"), ("magnetic_tile", "clean")],
)  # fmt: skip
def test_real_files_are_split_the_same_way_each_time(name, protocol, data_dir):
    task = suites.find_suite(name, protocol).tasks(protocol, data_dir)[0]
    split, digest = task.load(0, data_dir)
    assert digest
    assert 0 < split.anomalous.mean() < 1
    assert len(split.x_test) == len(split.anomalous)
    again, _ = task.load(0, data_dir)
    assert np.array_equal(again.x_train, split.x_train) and np.array_equal(again.x_test, split.x_test)


def test_the_released_mnist_split_leaks_four_in_five_test_normals(data_dir):
    task = suites.find_suite("mnist", "released").tasks("released", data_dir)[9]
    split, _ = task.load(0, data_dir)
    known = {image.tobytes() for image in split.x_train}
    leaked = np.mean([image.tobytes() in known for image in split.x_test[~split.anomalous]])
    assert leaked == pytest.approx(0.8, abs=0.01)
    assert "80%" in split.notes[0] and task.caveats


def test_tables_of_oddbench_are_those_in_the_data_folder(tmp_path):
    with pytest.raises(InvalidInputError, match="Put its .npz files into a folder 'oddbench'"):
        suites.find_suite("oddbench", "clean").tasks("clean", tmp_path)
    (tmp_path / "oddbench").mkdir()
    for name in ("b", "a"):
        np.savez(tmp_path / "oddbench" / f"{name}.npz", train=np.ones((3, 2)))
    assert [task.name for task in suites.find_suite("oddbench", "clean").tasks("clean", tmp_path)] == ["a", "b"]


def test_a_folder_of_tables_is_a_suite(tmp_path):
    np.savez(tmp_path / "a.npz", X=np.ones((3, 2)), y=np.zeros(3))
    suite = suites.find_suite(str(tmp_path), "released")
    assert suite.title == f"Tables in {tmp_path.name}" and suite.references == suites.NEAREST_NEIGHBOURS
    assert [task.name for task in suite.tasks("released", None)] == ["a"]


def test_small_tables_of_adbench_leak_under_the_released_protocol_only(data_dir):
    tasks = {
        protocol: {task.name: task for task in suites.find_suite("adbench", protocol).tasks(protocol, data_dir)}
        for protocol in ("clean", "released")
    }
    clean, _ = tasks["clean"]["glass"].load(0, data_dir)
    assert not duplicates_of_training_rows(clean).any()
    released, _ = tasks["released"]["glass"].load(0, data_dir)
    leaked = duplicates_of_training_rows(released)[~released.anomalous].mean()
    assert leaked > 0.8 and f"{leaked:.0%} of the test normals" in released.notes[0]
    assert len(released.x_train) + len(released.x_test) == 1000
