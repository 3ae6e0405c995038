"""Jobs and their identity."""

from dataclasses import replace

from egbad.benchmark.jobs import Job, make_jobs
from egbad.benchmark.suites import VARIANTS, Variant
from egbad.benchmark.tasks import user_task
from egbad.data import Data


def test_seeds_vary_slowest(task):
    jobs = make_jobs([task], [VARIANTS["pca"], VARIANTS["knn"]], 2)
    assert [(job.variant.label, job.seed) for job in jobs] == [("pca", 0), ("knn", 0), ("pca", 1), ("knn", 1)]


def test_iterators_of_tasks_and_variants_are_used_for_every_seed(task):
    assert len(make_jobs(iter([task]), iter([VARIANTS["pca"]]), 3)) == 3


def test_other_data_or_parameters_are_another_job(task, labelled_rows, tmp_path):
    x, anomalous = labelled_rows
    other = user_task("rows.csv", Data(x + 1), anomalous, tmp_path / "other.npz")
    job = Job(task, VARIANTS["pca"], 0)
    changed = [
        replace(job, task=other),
        replace(job, variant=Variant("pca", "pca", {"n_components": 2})),
        replace(job, seed=1),
    ]
    assert len({job.key, *(other.key for other in changed)}) == 4
    assert len({job.scores_file_name, *(other.scores_file_name for other in changed)}) == 4
