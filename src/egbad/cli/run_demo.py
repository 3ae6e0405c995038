"""The work of `egbad demo`."""

import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from egbad import datasets
from egbad.arrays import Array, Floats
from egbad.benchmark.protocols import one_against_one
from egbad.cli.tables import print_values
from egbad.detectors.egbad import EGBAD
from egbad.output_files import write_text
from egbad.report import evaluation_report, evaluation_to_html, sample_by_score
from egbad.scoring import metrics
from egbad.training import TrainingConfig


def run_demo(
    *,
    normal: int = 5,
    anomaly: int = 7,
    seed: int = 0,
    out: str | Path,
    verbose: bool = False,
    steps: int = 600,
    n_train: int = 400,
    n_shown: int = 8,
) -> dict[str, Any]:
    """Fit EGBAD to images of one digit, score held-out images of it and of another digit, and write a report.

    Parameters
    ----------
    normal, anomaly : int
        Digits.
    seed : int
    out : path-like
        HTML page to write.
    verbose : bool
        Show progress.
    steps : int
        Training steps. The default is enough for one digit, and takes less than a minute on two cores.
    n_train : int
        Training images, of the 500 of each digit. The others are held out.
    n_shown : int
        Images of each kind that the report shows.

    Returns
    -------
    dict
        With the keys auroc, average_precision, base_rate, fit_seconds, images_per_second and report.
    """
    data = datasets.load("mnist5k")
    split = one_against_one(data, normal, anomaly, n_train, seed)
    assert split.anomalous is not None
    # 40 of the training images calibrate the threshold. They resolve no rate below 1 in 41, so the demo flags at 5 percent.
    training = TrainingConfig(steps=steps)
    detector = EGBAD(training=training, random_state=seed, alpha=0.05, verbose=verbose).fit(split.x_train)
    scores, seconds = _score(detector, split.x_test)
    result = _measure(scores, split.anomalous) | {
        "fit_seconds": detector.fit_seconds_,
        "images_per_second": len(scores) / seconds,
    }
    report = evaluation_report(
        title=f"EGBAD learns the digit {normal} and detects the digit {anomaly}",
        summary=f"EGBAD has seen {n_train} handwritten {normal}s and nothing else. It separates held-out {normal}s from "
        f"{anomaly}s with an AUROC of {result['auroc']:.3f}.",
        description=detector.describe(),
        scores=scores,
        anomalous=split.anomalous,
        threshold=detector.threshold_,
        history=detector.history_,
        fit_seconds=detector.fit_seconds_,
        score_seconds=seconds,
        data={"name": data.name, "source": data.source, "digest": data.digest, "training images": n_train},
        command=f"egbad demo --normal {normal} --anomaly {anomaly} --seed {seed}",
        reconstructions=sample_by_score(detector.reconstruct, split.x_test, scores, split.anomalous, n_shown),
    )
    write_text(out, evaluation_to_html(report))
    return result | {"report": str(out)}


def _score(detector: EGBAD, x: Array) -> tuple[Floats, float]:
    """Return anomaly scores, and the time that they took."""
    started = time.perf_counter()
    scores = detector.anomaly_score(x)
    return scores, time.perf_counter() - started


def _measure(scores: Floats, anomalous: NDArray[np.bool_]) -> dict[str, Any]:
    return {
        "auroc": metrics.auroc(scores, anomalous),
        "average_precision": metrics.average_precision(scores, anomalous),
        "base_rate": metrics.base_rate(anomalous),
    }


def print_result(result: dict[str, Any], normal: int, anomaly: int, *, as_json: bool) -> None:
    """Print the result of a demo as a table or as JSON."""
    print_values(f"EGBAD learns the digit {normal} and detects the digit {anomaly}", result, as_json=as_json)
