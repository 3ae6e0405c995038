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
from egbad.cli.output import note
from egbad.cli.tables import print_values
from egbad.data import Data, take_rows
from egbad.data.ragged import update_digest
from egbad.detectors.base import Detector
from egbad.errors import InvalidInputError
from egbad.loading import load
from egbad.output_files import printable, write_text
from egbad.progress import progress
from egbad.report import evaluation_report, evaluation_to_html
from egbad.scoring import metrics
from egbad.scoring.score_tables import compute_terms
from egbad.scoring.scorer import Scorer
from egbad.scoring.thresholds import check_criterion, choose_threshold, split_halves


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
    threshold : float
        The model's, or the one that was chosen.
    metrics : dict of str to object
    """

    model_path: Path
    data_name: str
    scorer: Any
    data: Data
    scores: Floats
    anomalous: NDArray[np.bool_]
    threshold: float
    metrics: dict[str, Any]


@dataclass(frozen=True)
class ThresholdCriterion:
    """Criterion to choose a threshold by, as `egbad.scoring.thresholds.choose_threshold` takes it.

    Attributes
    ----------
    text : str
        The criterion as it was given, for example "recall=0.95".
    name : str
    value : float, optional
    """

    text: str
    name: str
    value: float | None

    @classmethod
    def parse(cls, text: str) -> "ThresholdCriterion":
        """Parse a criterion.

        Raises
        ------
        InvalidInputError
            If the name is unknown or the value is not one that the criterion can have.

        Examples
        --------
        >>> ThresholdCriterion.parse("flags=10/20000").value
        0.0005
        """
        name, has_value, value = text.partition("=")
        number, _, divisor = value.partition("/")
        try:
            parsed = float(number) / float(divisor or 1) if has_value else None
        except (ValueError, ZeroDivisionError):
            raise InvalidInputError(
                f"The value of '{name}' must be a number such as 0.95 or 10/20000, got '{value}'."
            ) from None
        check_criterion(name, parsed)
        return cls(text, name, parsed)


def evaluate(
    model: Path, source: Source, normal: str | None, criterion: ThresholdCriterion | None = None
) -> Evaluation:
    """Score labelled data and compute metrics.

    The normal label is that of the fit, unless another is given.

    Parameters
    ----------
    model : Path
    source : Source
    normal : str or None
        Label of the normal rows. Without any, labels must be numbers, and 0 is normal.
    criterion : ThresholdCriterion, optional
        Choose a threshold on one half of the rows and measure on the other half.

    Returns
    -------
    Evaluation
        Of all rows, or of the half that did not choose the threshold.
    """
    scorer = load(model)
    data = replace(source, scorer=scorer, with_labels=True, lazy=True).read()
    normal = _normal_label(scorer, normal)
    anomalous = ~normal_mask(data.labels, normal)
    started = time.perf_counter()
    with progress("Scoring", len(data.x), unit="rows") as advance:
        scores = np.asarray(sum(compute_terms(scorer, data, advance).values()))
    seconds, threshold, chosen = time.perf_counter() - started, float(scorer.threshold_), {}
    if criterion is not None:
        first, second = split_halves(scores, anomalous)
        threshold = choose_threshold(scores[first], anomalous[first], criterion.name, criterion.value)
        chosen = {"chosen_by": criterion.text, "rows_to_choose": len(first)}
        data, scores, anomalous = take_rows(data, second), scores[second], anomalous[second]
        seconds *= len(second) / (len(first) + len(second))
    values = _measure(scores, anomalous, threshold) | {"seconds": seconds} | chosen
    values["normal_label"] = normal if normal is not None else "0"
    if values["auroc"] < 0.5:
        note(
            f"AUROC {values['auroc']:.3f} is below 0.5: anomalies have lower scores than normal rows. Check that the "
            f"normal label is '{values['normal_label']}'; --normal names another."
        )
    return Evaluation(model, source.given, scorer, data, scores, anomalous, threshold, values)


def _normal_label(scorer: Scorer, normal: str | None) -> str | None:
    """Return the label of normal rows: the one that is given, or that of the fit."""
    fitted = scorer.normal_label_
    if normal is not None and fitted is not None and normal != fitted:
        note(f"The model was fitted with --normal {fitted}. This evaluation takes '{normal}' for normal instead.")
    return fitted if normal is None else normal


def _measure(scores: Floats, anomalous: NDArray[np.bool_], threshold: float) -> dict[str, Any]:
    """Return the metrics of scores (n,) by name."""
    flags = metrics.count_flags(scores, anomalous, threshold)
    return {
        "rows": len(anomalous),
        "anomalies": flags.anomalies,
        "auroc": metrics.auroc(scores, anomalous),
        "average_precision": metrics.average_precision(scores, anomalous),
        "base_rate": metrics.base_rate(anomalous),
        "threshold": threshold,
        "flagged_normals": flags.false_alarm_rate,
        "flagged_anomalies": flags.recall,
        "precision": flags.precision,
        "f1": flags.f1,
    }


def save_with_threshold(evaluation: Evaluation, path: Path) -> None:
    """Write the evaluated model to another file, with the threshold of the evaluation.

    Raises
    ------
    InvalidInputError
        If the model is an exported graph.
    """
    if not isinstance(evaluation.scorer, Detector):
        raise InvalidInputError("An exported model keeps its threshold. Choose one for the model it was exported from.")
    evaluation.scorer.threshold_ = evaluation.threshold
    evaluation.scorer.save(path)
    note(f"A model with the threshold {evaluation.threshold:.6g} was written to {path}.")


def write_report(evaluation: Evaluation, path: Path, command: str) -> None:
    """Write an evaluation as an HTML page.

    Parameters
    ----------
    evaluation : Evaluation
    path : Path
    command : str
        Command line that repeats the report.
    """
    values, data_name = evaluation.metrics, printable(Path(evaluation.data_name).name)
    digest = hashlib.sha256()
    update_digest(digest, evaluation.data.x)
    report = evaluation_report(
        title=f"{printable(evaluation.model_path.stem)} on {data_name}",
        summary=f"The model flags {values['flagged_anomalies']:.1%} of {values['anomalies']:,} anomalies and "
        f"{values['flagged_normals']:.1%} of {values['rows'] - values['anomalies']:,} normal {evaluation.scorer.kind_}. "
        f"AUROC {values['auroc']:.3f}.",
        description=evaluation.scorer.describe(),
        scores=evaluation.scores,
        anomalous=evaluation.anomalous,
        threshold=evaluation.threshold,
        history=getattr(evaluation.scorer, "history_", {}),
        fit_seconds=evaluation.scorer.fit_seconds_,
        score_seconds=values["seconds"],
        data={"name": data_name, "rows": values["rows"], "digest": digest.hexdigest()},
        command=command,
    )
    write_text(path, evaluation_to_html(report))


def print_evaluation(evaluation: Evaluation, report: Path | None, *, as_json: bool) -> None:
    """Print the metrics as a table or as JSON, with the path of the report if there is one."""
    values = evaluation.metrics | ({"report": str(report)} if report else {})
    print_values(f"{evaluation.model_path} on {evaluation.data_name}", values, as_json=as_json)
