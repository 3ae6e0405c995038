"""The work of `egbad evaluate`."""

import hashlib
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from egbad.arrays import Floats
from egbad.cli.inputs import Source, normal_mask
from egbad.cli.tables import print_values
from egbad.data import Data
from egbad.data.ragged import update_digest
from egbad.loading import load
from egbad.model_file import atomic_write
from egbad.progress import progress
from egbad.report import evaluation_report, evaluation_to_html
from egbad.scoring import metrics
from egbad.scoring.score_tables import compute_terms


@dataclass(frozen=True)
class Evaluation:
    """Scores of labelled data, and their metrics.

    Attributes
    ----------
    model_path : Path
    data_name : str
        Path or name of the data.
    scorer : Detector or OnnxScorer
    data : Data
    scores : ndarray of shape (n_samples,)
    anomalous : ndarray of bool of shape (n_samples,)
    metrics : dict of str to object
    """

    model_path: Path
    data_name: str
    scorer: Any
    data: Data
    scores: Floats
    anomalous: NDArray[np.bool_]
    metrics: dict[str, Any]


def evaluate(model: Path, source: Source, normal: str | None) -> Evaluation:
    """Score labelled data and compute metrics.

    Parameters
    ----------
    model : Path
    source : Source
    normal : str or None
        Label of the normal rows. None requires labels that are numbers, with 0 for normal.

    Returns
    -------
    Evaluation
    """
    scorer = load(model)
    data = replace(source, scorer=scorer).read()
    anomalous = ~normal_mask(data.labels, normal)
    started = time.perf_counter()
    with progress("Scoring", len(data.x), unit="rows") as advance:
        scores = np.asarray(sum(compute_terms(scorer, data, advance).values()))
    seconds = time.perf_counter() - started
    flags = metrics.count_flags(scores, anomalous, scorer.threshold_)
    values = {
        "rows": len(anomalous),
        "anomalies": flags.anomalies,
        "auroc": metrics.auroc(scores, anomalous),
        "average_precision": metrics.average_precision(scores, anomalous),
        "base_rate": metrics.base_rate(anomalous),
        "threshold": float(scorer.threshold_),
        "flagged_normals": flags.false_alarm_rate,
        "flagged_anomalies": flags.recall,
        "seconds": seconds,
    }
    return Evaluation(model, source.given, scorer, data, scores, anomalous, values)


def write_report(evaluation: Evaluation, path: Path, command: str) -> None:
    """Write an evaluation as an HTML page.

    Parameters
    ----------
    evaluation : Evaluation
    path : Path
    command : str
        Command line that repeats the report.
    """
    values, data_name = evaluation.metrics, Path(evaluation.data_name).name
    digest = hashlib.sha256()
    update_digest(digest, evaluation.data.x)
    report = evaluation_report(
        title=f"{evaluation.model_path.stem} on {data_name}",
        summary=f"The model flags {values['flagged_anomalies']:.1%} of {values['anomalies']:,} anomalies and "
        f"{values['flagged_normals']:.1%} of {values['rows'] - values['anomalies']:,} normal {evaluation.scorer.kind_}. "
        f"AUROC {values['auroc']:.3f}.",
        description=evaluation.scorer.describe(),
        scores=evaluation.scores,
        anomalous=evaluation.anomalous,
        threshold=evaluation.scorer.threshold_,
        history=getattr(evaluation.scorer, "history_", {}),
        fit_seconds=evaluation.scorer.fit_seconds_,
        score_seconds=values["seconds"],
        data={"name": data_name, "rows": values["rows"], "digest": digest.hexdigest()},
        command=command,
    )
    with atomic_write(path) as draft:
        draft.write_text(evaluation_to_html(report), encoding="utf-8")


def print_evaluation(evaluation: Evaluation, report: Path | None, *, as_json: bool) -> None:
    """Print the metrics as a table or as JSON, with the path of the report if there is one."""
    values = evaluation.metrics | ({"report": str(report)} if report else {})
    print_values(f"{evaluation.model_path} on {evaluation.data_name}", values, as_json=as_json)
