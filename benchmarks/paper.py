"""Run the experiments of the EGBAD paper with `recipe="paper"`: MNIST with each digit left out, KDD99, and speed.

    python benchmarks/paper.py kdd99 --protocol released       # about two hours of one core
    python benchmarks/paper.py mnist --digits 1 5 9 --minutes 120     # a digit
    python benchmarks/paper.py kdd99 --protocol paper --detector anogan     # three runs, more than an hour of one core
    python benchmarks/paper.py baselines --protocol paper      # the other rows of the paper's KDD99 table
    python benchmarks/paper.py baselines --suite mnist --protocol clean     # the VAE
    python benchmarks/paper.py speed

The runs of EGBAD and AnoGAN are trained as the members of one ensemble: a member has the bits of a detector of its own. On
MNIST they learn the training images of the released split, and are tested on its test images ("released") and with normal
ones that were not trained on ("clean"): the networks are the same, so the difference is what the leak is worth. Every command
appends JSON lines to a file in `--out` and resumes where an earlier one stopped. `benchmarks/tables.py` prints the tables,
`benchmarks/paper_figure.py` draws the bar chart.
"""

import argparse
import platform
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path

import numpy as np
import torch
from common import BriefRunLog, run_pending
from lines import Line, append_line, read_lines

from egbad import EGBAD, TrainingConfig
from egbad.arrays import Floats
from egbad.benchmark import suites
from egbad.benchmark.jobs import make_jobs
from egbad.benchmark.protocols import Split
from egbad.benchmark.suites import Variant
from egbad.benchmark.tasks import Task
from egbad.detectors import AnoGAN
from egbad.detectors.base import TorchDetector
from egbad.scoring import metrics
from egbad.training.checkpoints import Checkpoints

PROTOCOLS = ("released", "paper", "clean")
BATCH_SIZES = {"kdd99": 50, "mnist": 100}  # of the recipe: epochs are counted in steps
HELD_OUT = 0.1  # default `calibration_fraction`: the share of training rows that sets the threshold
RESIDUAL_WEIGHT = 0.9
TOP_SHARE = 0.2
DETECTORS: dict[str, type[EGBAD | AnoGAN]] = {"egbad": EGBAD, "anogan": AnoGAN}
SCORES = {"egbad": ("fm", "sigma", "sigma_released"), "anogan": ("fm", "sigma")}  # values of `discriminator_loss`
BASELINES = {
    "kdd99": (
        Variant("one_class_svm", "one_class_svm"),
        Variant("dsebm-r", "dsebm", {"recipe": "paper", "score_type": "reconstruction"}),
        Variant("dsebm-e", "dsebm", {"recipe": "paper"}),
        Variant("dagmm-nvi", "dagmm", {"recipe": "paper", "estimator": "nvi"}),
        Variant("dagmm", "dagmm", {"recipe": "paper"}),
        Variant("vae", "vae", {"recipe": "paper"}),
        Variant("knn", "knn"),
        Variant("isolation_forest", "isolation_forest"),
        Variant("pca", "pca"),
    ),
    "mnist": (Variant("vae", "vae", {"recipe": "paper"}),),
}


class TimeIsUp(Exception):
    """The minutes that a command was given are over."""


@dataclass(frozen=True)
class Experiment:
    """The runs of EGBAD or AnoGAN on one task.

    Attributes
    ----------
    detector : str
        "egbad" or "anogan".
    suite : str
        "kdd99" or "mnist".
    task : Task
    members : int
        Number of runs, trained side by side.
    epochs : int
    every : int
        Epochs between two evaluations.
    """

    detector: str
    suite: str
    task: Task
    members: int
    epochs: int
    every: int

    @property
    def identity(self) -> Line:
        """The part of a line that names the experiment, with the protocol of its training rows."""
        return {"suite": self.suite, "task": self.task.name, "protocol": self.task.protocol, "members": self.members}

    def load(self) -> dict[str, Split]:
        """Return the splits by protocol. They share their training rows."""
        found = {self.task.protocol: self.task.load(0)[0]}
        if self.suite == "mnist":
            disjoint = replace(self.task, arguments={**self.task.arguments, "disjoint": True})
            found["clean"] = disjoint.load(0)[0]
        return found


def discrimination_losses(detector: EGBAD | AnoGAN, x: np.ndarray) -> dict[str, dict[str, Floats]]:
    """Return the terms (members, n) of every score of the paper and its code, from the same networks.

    A(x) = w L_G + (1 - w) L_D, where L_D compares D's features (FM), or is the cross-entropy of D's logit: EGBAD's for
    (x, E(x)) as in the paper or for (G(E(x)), E(x)) as in the released code, AnoGAN's for G(z).
    """
    found = {}
    settings = detector.model_.settings
    try:
        for name in SCORES[detector.name]:
            detector.model_.settings = settings.model_copy(update={"discriminator_loss": name})
            found[name] = detector.member_score_terms(x)
    finally:
        detector.model_.settings = settings
    return found


def evaluate(detector: EGBAD | AnoGAN, splits: Mapping[str, Split]) -> Iterator[Line]:
    """Yield the metrics of each member and score for each protocol. Equal test rows are scored once."""
    x = np.concatenate([split.x_test for split in splits.values()])
    _, first, inverse = np.unique(x.reshape(len(x), -1), axis=0, return_index=True, return_inverse=True)
    ends = np.cumsum([len(split.x_test) for split in splits.values()])
    for name, terms in discrimination_losses(detector, x[first]).items():
        total = np.sum([*terms.values()], axis=0)[:, inverse.ravel()]
        for (protocol, split), scores in zip(splits.items(), np.split(total, ends[:-1], axis=1), strict=True):
            for member, own in enumerate(scores):
                yield {"protocol": protocol, "score": name, "member": member} | measure(own, split.anomalous)


def measure(scores: Floats, anomalous: np.ndarray) -> Line:
    """Return the metrics of the paper's two tables."""
    if not np.isfinite(scores).all():
        return {"finite": False}
    top = metrics.top_share(scores, anomalous, TOP_SHARE)
    return {
        "precision": top.precision,
        "recall": top.recall,
        "f1": top.f1,
        "ties": top.ties,
        "auroc": metrics.auroc(scores, anomalous),
        "average_precision": metrics.average_precision(scores, anomalous),
        "trapezoid": metrics.trapezoidal_pr_auc(scores, anomalous),
        "base_rate": metrics.base_rate(anomalous),
    }


def run_members(experiment: Experiment, out: Path, minutes: float | None) -> None:
    """Train and evaluate the members of an experiment, from the newest checkpoint if there is one.

    Parameters
    ----------
    experiment : Experiment
    out : Path
        Folder for the lines, `egbad.jsonl` or `anogan.jsonl`, and for checkpoints.
    minutes : float, optional
        Longest duration of training and evaluation.
    """
    path = out / f"{experiment.detector}.jsonl"
    lines = read_lines(path)
    done = {line["epoch"] for line in lines if experiment.identity.items() <= line.items()}
    if experiment.epochs in done:
        return
    splits = experiment.load()
    x_train = splits[experiment.task.protocol].x_train
    steps = ceil(len(x_train) * (1 - HELD_OUT) / BATCH_SIZES[experiment.suite])  # of an epoch
    parameters = {**experiment.task.parameters, "training__epochs": experiment.epochs}
    kind = DETECTORS[experiment.detector]
    detector = kind(recipe="paper", members=experiment.members, random_state=0, verbose=True)
    detector.set_params(**parameters)
    started = time.perf_counter()

    def append(about: Line) -> None:
        for line in evaluate(detector, splits):
            append_line(path, experiment.identity | about | line)

    def record(step: int) -> None:
        epoch = round(step / steps)
        if epoch in done:
            return
        done.add(epoch)
        seconds = time.perf_counter() - started
        append({"epoch": epoch, "step": step, "seconds": seconds})
        if minutes is not None and seconds > 60 * minutes:
            raise TimeIsUp

    name = f"{experiment.detector}-{experiment.suite}-{experiment.task.protocol}-{experiment.task.name}".replace(
        " ", "_"
    ).replace(",", "")
    checkpoints = Checkpoints(out / "checkpoints" / name, every=300, resume=True)
    try:
        detector.fit(x_train, callback=record, callback_interval=steps * experiment.every, checkpoints=checkpoints)
    except TimeIsUp:
        print(f"Stopped after {minutes:g} minutes. The same command resumes from {checkpoints.folder}.")
        return
    append({"epoch": experiment.epochs, "seconds": detector.fit_seconds_})
    checkpoints.clear()


def run_baselines(suite: str, protocol: str, out: Path, jobs: int, limit: float) -> None:
    """Run the methods beside EGBAD and AnoGAN in the paper's table or chart, three seeds each."""
    tasks = suites.find_suite(suite, protocol).tasks(protocol, None)
    run_pending(make_jobs(tasks, BASELINES[suite], 3), BriefRunLog(out / "baselines"), jobs, timeout=limit)


def run_speed(out: Path, repeats: int) -> None:
    """Time EGBAD and AnoGAN with the paper's networks, in turns, on the same rows and images with one thread."""
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    inputs = {"kdd99": rng.normal(size=(2000, 121)).astype(np.float32), "mnist": rng.uniform(0, 255, (600, 28, 28))}
    for suite, x in inputs.items():
        n = len(x) // 2
        pair: list[TorchDetector] = [
            kind(recipe="paper", training=TrainingConfig(steps=0), alpha=0.1, random_state=0).fit(x[:n])
            for kind in (EGBAD, AnoGAN)
        ]
        timed: dict[str, list[float]] = {detector.name: [] for detector in pair}
        for _ in range(repeats):
            for detector in pair:
                timed[detector.name].append(seconds_per_row(detector.anomaly_score, x[n:]))
        medians = {name: float(np.median(values)) for name, values in timed.items()}
        ratio = medians["anogan"] / medians["egbad"]
        append_line(
            out / "speed.jsonl",
            {"suite": suite, "rows": n, "repeats": repeats, "ratio": ratio, "processor": platform.processor()}
            | medians,
        )


def seconds_per_row(score: Callable[[np.ndarray], Floats], x: np.ndarray) -> float:
    """Return the time that scoring takes, per row."""
    started = time.perf_counter()
    score(x)
    return (time.perf_counter() - started) / len(x)


def main() -> None:
    """Run one of the commands."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=("kdd99", "mnist", "baselines", "speed"))
    parser.add_argument("--detector", choices=[*DETECTORS], default="egbad", help="of KDD99 and MNIST")
    parser.add_argument("--suite", choices=[*BASELINES], default="kdd99", help="of the baselines")
    parser.add_argument("--protocol", choices=PROTOCOLS, default="released", help="of KDD99 and the baselines")
    parser.add_argument("--digits", type=int, nargs="+", default=[*range(10)])
    parser.add_argument("--members", type=int, help="number of runs, by default 10 of EGBAD on KDD99, otherwise 3")
    parser.add_argument("--epochs", type=int, help="by default the paper's: 50 on KDD99, 100 on MNIST")
    parser.add_argument("--minutes", type=float, help="longest duration of a task")
    parser.add_argument("--jobs", type=int, default=1, help="baselines to run at the same time")
    parser.add_argument("--repeats", type=int, default=5, help="repeats of the timing")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/paper"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    if options.command == "speed":
        run_speed(options.out, options.repeats)
        return
    if options.command == "baselines":
        run_baselines(options.suite, options.protocol, options.out, options.jobs, 3600)
        return
    kdd99, egbad = options.command == "kdd99", options.detector == "egbad"
    protocol = options.protocol if kdd99 else "released"
    tasks = suites.find_suite(options.command, protocol).tasks(protocol, None)
    members, epochs = options.members or (10 if kdd99 and egbad else 3), options.epochs or (50 if kdd99 else 100)
    every = (5 if kdd99 else 1) if egbad else epochs  # scoring by AnoGAN takes longer than training
    for task in tasks if kdd99 else [tasks[digit] for digit in options.digits]:
        experiment = Experiment(options.detector, options.command, task, members, epochs, every)
        run_members(experiment, options.out, options.minutes)


if __name__ == "__main__":
    main()
