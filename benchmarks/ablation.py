"""Ablation: change one setting at a time, on five data sets.

    python benchmarks/ablation.py --seeds 3 --jobs 2

Each run is one JSON line. An interrupted run resumes where it stopped; `benchmarks/tables.py` makes the table.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from common import BriefRunLog, clean_tasks, run_pending

from egbad.benchmark.jobs import make_jobs
from egbad.benchmark.suites import Variant
from egbad.benchmark.tasks import Task

Changes = Mapping[str, Mapping[str, Any]]

TABLES = (("kdd99", "kdd99"), ("adbench", "annthyroid"), ("adbench", "mnist"))
IMAGES = (("digits", "8 left out"), ("mnist_10k", "9 left out"))  # 8 x 8 and 28 x 28 pixels

EGBAD: Changes = {
    "default": {},
    "no adversarial loss": {"adversarial_weight": 0.0},
    "no cycle-consistency loss": {"cycle_weight": 0.0},
    "no noise on D's input": {"input_noise": 0.0},
    "no weight averaging": {"training__ema_decay": 0.0},
    "learning-rate decay": {"training__learning_rate_decay": True},
    "last weights, no early stopping": {"early_stopping__criterion": "none"},
    "residual term only": {"residual_weight": 1.0},
    "feature term only": {"residual_weight": 0.0},
    "five members": {"members": 5},
}
EGBAD_ON_TABLES: Changes = {
    **EGBAD,
    "norm distance (paper)": {"distance": "norm"},
    "L_D by cross-entropy (sigma)": {"discriminator_loss": "sigma"},
    "duplicate rows kept": {"preprocessing__drop_duplicates": False},
    "min-max scaling": {"preprocessing__scaling": "minmax"},
    "no log scaling": {"preprocessing__log_columns": ()},
}
# A run on KDD99 takes three times as long, so it only has the changes that its own page does not show.
EGBAD_ON_KDD99: Changes = {
    name: EGBAD_ON_TABLES[name]
    for name in (
        "default",
        "last weights, no early stopping",
        "min-max scaling",
        "duplicate rows kept",
        "no weight averaging",
    )
}
EGBAD_ON_IMAGES: Changes = {
    **EGBAD,
    "norm distance (paper)": {"distance": "norm"},
    "L_D by feature matching (fm)": {"discriminator_loss": "fm"},
}
# On images the parts of the blend are detectors with benchmarks of their own.
BLEND_ON_TABLES: Changes = {
    "default": {},
    "standardised columns only": {"parts": ("nearest",)},
    "min-max columns only": {"parts": ("nearest-minmax",)},
    "plus EGBAD": {"parts": ("nearest", "nearest-minmax", "egbad")},
    "plus Contrastive": {"parts": ("nearest", "nearest-minmax", "contrastive")},
}
CONTRASTIVE: Changes = {
    "default": {},
    "no image transformations": {"rotation": 0.0, "scale": 0.0, "shear": 0.0, "translation": 0.0, "thickness": 0.0},
    "memory of 64": {"memory_size": 64},
    "memory of 4,096": {"memory_size": 4096},
    "twice the steps": {"training__steps": 4000},
}


def variants(detector: str, changes: Changes) -> list[Variant]:
    """Return one variant of a detector for each change."""
    return [Variant(f"{detector}: {name}", detector, parameters) for name, parameters in changes.items()]


def tasks(wanted: tuple[tuple[str, str], ...]) -> list[Task]:
    """Return tasks of the clean protocol, given as pairs of suite and task name."""
    return [task for suite, name in wanted for task in clean_tasks(suite, [name])]


def main() -> None:
    """Run the ablation."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=1, help="number of parallel runs")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/ablation"))
    parser.add_argument("--only", default="", help="only runs whose task and variant contain this text")
    options = parser.parse_args()

    tables, images = tasks(TABLES), tasks(IMAGES)
    jobs = [
        *make_jobs(tables, variants("blend", BLEND_ON_TABLES), options.seeds),
        *make_jobs(images, variants("egbad", EGBAD_ON_IMAGES), options.seeds),
        *make_jobs(tables[:1], variants("egbad", EGBAD_ON_KDD99), options.seeds),
        *make_jobs(tables[1:], variants("egbad", EGBAD_ON_TABLES), options.seeds),
        *make_jobs(images, variants("contrastive", CONTRASTIVE), options.seeds),
    ]
    jobs = [job for job in jobs if options.only in f"{job.task.name} {job.variant.label}"]
    run_pending(sorted(jobs, key=lambda job: job.seed), BriefRunLog(options.out), options.jobs)


if __name__ == "__main__":
    main()
