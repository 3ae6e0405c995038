"""What each ingredient is worth: one of them changed at a time, on five data sets, one JSON line per runner.

    python benchmarks/ablation.py --seeds 3 --jobs 2

It goes on where it was stopped, as `egbad benchmark` does; `benchmarks/tables.py` makes the tables.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from egbad.benchmark import runner, suites
from egbad.benchmark.jobs import Job, RunRecord, make_jobs
from egbad.benchmark.run_log import RunLog
from egbad.benchmark.suites import Task, Variant
from egbad.progress import progress

Changes = Mapping[str, Mapping[str, Any]]

# Tables, and one digit left out of images of 8 x 8 and of 28 x 28 pixels.
TABLES = (("kdd99", "kdd99"), ("adbench", "annthyroid"), ("adbench", "mnist"))
IMAGES = (("digits", "8 left out"), ("mnist_10k", "9 left out"))

EVERYWHERE: Changes = {
    "as it is": {},
    "without the game": {"adversarial_weight": 0.0},
    "without cycle consistency": {"cycle_weight": 0.0},
    "without noise on what D sees": {"input_noise": 0.0},
    "without averaged weights": {"training__ema_decay": 0.0},
    "with a falling learning rate": {"training__learning_rate_decay": True},
    "the last weights kept": {"early_stopping__criterion": "none"},
    "the residual alone": {"residual_weight": 1.0},
    "what D or E notices alone": {"residual_weight": 0.0},
    "five members": {"members": 5},
}
ON_TABLES: Changes = {
    **EVERYWHERE,
    "the paper's distance": {"distance": "norm"},
    "L_D by cross-entropy": {"discriminator_loss": "sigma"},
    "repeated rows count": {"preprocessing__drop_duplicates": False},
    "min-max columns": {"preprocessing__scaling": "minmax"},
    "no column on a log scale": {"preprocessing__log_columns": ()},
}
# A run on KDD99 lasts three times as long: what is measured there is what its own page doesn't have.
ON_KDD99: Changes = {
    name: ON_TABLES[name]
    for name in (
        "as it is",
        "the last weights kept",
        "min-max columns",
        "repeated rows count",
        "without averaged weights",
    )
}
ON_IMAGES: Changes = {
    **EVERYWHERE,
    "the paper's distance": {"distance": "norm"},
    "L_D by D's features": {"discriminator_loss": "fm"},
}
# Of the blend for tables the parts cost nothing; of the one for images they are detectors of their own.
BLEND_OF_ROWS: Changes = {
    "as it is": {},
    "standardised columns alone": {"parts": ("nearest",)},
    "min-max columns alone": {"parts": ("nearest-minmax",)},
    "and EGBAD": {"parts": ("nearest", "nearest-minmax", "egbad")},
    "and what was learned by contrast": {"parts": ("nearest", "nearest-minmax", "contrastive")},
}
CONTRASTIVE: Changes = {
    "as it is": {},
    "without distortions": {"turn": 0.0, "scale": 0.0, "shear": 0.0, "shift": 0.0, "thickness": 0.0},
    "64 remembered": {"memory_size": 64},
    "4,096 remembered": {"memory_size": 4096},
    "twice as long": {"training__steps": 4000},
}


def entries(detector: str, changes: Changes) -> list[Variant]:
    return [Variant(f"{detector}: {name}", detector, parameters) for name, parameters in changes.items()]


def tasks(wanted: tuple[tuple[str, str], ...]) -> list[Task]:
    """Tasks of the clean protocol, by suite and words of their name."""
    return [
        task
        for suite, words in wanted
        for task in suites.find_suite(suite, "clean").tasks("clean", None)
        if task.name == words or task.name.endswith(f", {words}")
    ]


class BriefRuns(RunLog):
    """Lines with what the tables need alone."""

    def add(self, job: Job, line: RunRecord) -> RunRecord:
        """Write down a finished run, without curves and pictures."""
        names = ("status", "reason", "digest", "training_steps", "seconds", "health", "versions", "threads")
        kept: RunRecord = {name: line[name] for name in names if name in line}
        if measured := line.get("metrics"):
            kept |= {"average_precision": measured["average_precision"], "auroc": measured["auroc"],
                     "f1": measured["top"]["f1"], "base_rate": line["base_rate"],
                     "false_alarms": {alpha: of["false_alarms"] for alpha, of in measured["thresholds"].items()}}  # fmt: skip
        return super().add(job, kept)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/ablation"))
    parser.add_argument("--only", default="", help="only runs whose task and variant hold these words")
    options = parser.parse_args()

    rows, images = tasks(TABLES), tasks(IMAGES)
    todo = [
        *make_jobs(rows, entries("blend", BLEND_OF_ROWS), options.seeds),
        *make_jobs(images, entries("egbad", ON_IMAGES), options.seeds),
        *make_jobs(rows[:1], entries("egbad", ON_KDD99), options.seeds),
        *make_jobs(rows[1:], entries("egbad", ON_TABLES), options.seeds),
        *make_jobs(images, entries("contrastive", CONTRASTIVE), options.seeds),
    ]
    todo = sorted(
        (job for job in todo if options.only in f"{job.task.name} {job.variant.label}"), key=lambda job: job.seed
    )
    runs = BriefRuns(options.out)
    with progress("Runs", len(runner.pending_jobs(todo, runs)), unit="runs") as advance:
        runner.run_jobs(todo, runs, n_workers=options.jobs, on_record=lambda line: advance(1))


if __name__ == "__main__":
    main()
