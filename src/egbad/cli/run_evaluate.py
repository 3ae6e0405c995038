"""The work of `egbad evaluate`."""

import hashlib
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from egbad.arrays import Floats
from egbad.cli.inputs import Source, normal_mask
from egbad.cli.output import note
from egbad.cli.tables import print_table, print_values
from egbad.data import Data, take_rows
from egbad.data.defect_folders import GOOD, DefectFolder, find_defect_folder
from egbad.data.images import FOLDER_LABELS
from egbad.data.ragged import update_digest
from egbad.detectors.base import Detector
from egbad.errors import InvalidInputError
from egbad.export.onnx_scorer import OnnxScorer
from egbad.loading import load
from egbad.output_files import printable, write_text
from egbad.progress import progress
from egbad.report import DefectMetrics, evaluation_report, evaluation_to_html
from egbad.report.facts import DEFECT_HEADER, defect_rows
from egbad.scoring import metrics
from egbad.scoring.localization import MaskComparison
from egbad.scoring.score_maps import score_with_maps
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
    defects : tuple of DefectMetrics
        Metrics by kind of defect, of a folder laid out as MVTec AD.
    """

    model_path: Path
    data_name: str
    scorer: Any
    data: Data
    scores: Floats
    anomalous: NDArray[np.bool_]
    threshold: float
    metrics: dict[str, Any]
    defects: tuple[DefectMetrics, ...] = ()


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
    folder = find_defect_folder(Path(source.given))
    if folder is not None and source.label_column is None:
        source = replace(source, label_column=FOLDER_LABELS)
    data = replace(source, scorer=scorer, with_labels=True, lazy=True).read()
    normal = _normal_label(scorer, normal)
    normal = GOOD if normal is None and folder is not None else normal
    anomalous = ~normal_mask(data.labels, normal)
    comparison = None if folder is None else _mask_comparison(scorer, data, anomalous, folder)
    started = time.perf_counter()
    scores = _score(scorer, data, comparison)
    seconds, threshold, chosen = time.perf_counter() - started, float(scorer.threshold_), {}
    defects = () if comparison is None else _measure_defects(comparison, scores)
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
    return Evaluation(model, source.given, scorer, data, scores, anomalous, threshold, values, defects)


def _mask_comparison(scorer: Any, data: Data, anomalous: NDArray[np.bool_], folder: DefectFolder) -> MaskComparison:
    """Return the comparison of pixel scores with the masks of a folder, without masks if the scorer has no pixel scores."""
    kinds, files = [str(label) for label in np.asarray(data.labels)], data.files or ()
    masks = [folder.mask_reader(file, normal=not bad) for file, bad in zip(files, anomalous, strict=True)]
    if isinstance(scorer, OnnxScorer):
        try:
            scorer.check_explains()
        except InvalidInputError as error:
            note(f"Pixel metrics are left out: {error}")
            masks = [None] * len(masks)
    return MaskComparison(kinds, anomalous, masks)


def _score(scorer: Any, data: Data, comparison: MaskComparison | None) -> Floats:
    """Return the scores (n,) of data, and compare the maps of images with their masks."""

    def terms_of_images(batch: Data) -> dict[str, Floats]:
        assert comparison is not None
        first = batch.first_row - data.first_row
        wanted = comparison.compared[first : first + len(batch.x)]
        return score_with_maps(scorer, batch, wanted, lambda i, one: comparison.add(first + i, one))

    with progress("Scoring", len(data.x), unit="rows") as advance:
        terms = compute_terms(scorer.score_terms if comparison is None else terms_of_images, data, advance)
    return np.asarray(sum(terms.values()))


def _measure_defects(comparison: MaskComparison, scores: Floats) -> tuple[DefectMetrics, ...]:
    """Return the metrics of all defects together and of each kind."""
    kinds, anomalous, localization = comparison.kinds, comparison.anomalous, comparison.measure()
    without = sum(mask is None for mask in comparison.masks)
    if without and localization:
        note(
            f"{without:,} of {int(anomalous.sum()):,} images with a defect have no mask and are left out of pixel metrics."
        )
    found = []
    for kind in (None, *sorted({kind for kind, bad in zip(kinds, anomalous, strict=True) if bad})):
        chosen = ~anomalous | np.array([kind in (None, other) for other in kinds])
        y, pixels = anomalous[chosen], localization.get(kind)
        image_metrics = metrics.auroc(scores[chosen], y), metrics.average_precision(scores[chosen], y)
        by_pixel = () if pixels is None else (pixels.pixel_auroc, pixels.pro, pixels.peaks_in_masks)
        found.append(DefectMetrics(kind, int(y.sum()), *image_metrics, *by_pixel))
    return tuple(found)


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
        defects=evaluation.defects,
    )
    write_text(path, evaluation_to_html(report))


def print_evaluation(evaluation: Evaluation, report: Path | None, *, as_json: bool) -> None:
    """Print the metrics as a table or as JSON, with the path of the report if there is one."""
    values = evaluation.metrics | ({"report": str(report)} if report else {})
    title = f"{evaluation.model_path} on {evaluation.data_name}"
    if as_json and evaluation.defects:
        values["defects"] = [asdict(found) for found in evaluation.defects]
    print_values(title, values, as_json=as_json)
    if not as_json and evaluation.defects:
        print_table("Defects", [name.lower() for name in DEFECT_HEADER], defect_rows(evaluation.defects))
