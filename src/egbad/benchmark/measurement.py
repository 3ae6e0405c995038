"""Measurement of one job: load, fit, score, compare with the labels."""

import time
import warnings
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from egbad.arrays import Array, Floats, map_unique_rows
from egbad.benchmark.external import ExternalDetector, create_any
from egbad.benchmark.jobs import Job, RunRecord
from egbad.benchmark.protocols import Split, duplicates_of_training_rows
from egbad.benchmark.table_kinds import column_facts
from egbad.data import Data
from egbad.data.lazy_images import decode_at
from egbad.data.ragged import is_lazy
from egbad.output_files import atomic_write
from egbad.report.curves import chart_data
from egbad.report.image_grid import ImageGrid, render_grid, sample_by_score
from egbad.scoring import calibration, metrics
from egbad.scoring.localization import measure_localization
from egbad.scoring.score_tables import compute_terms

ALPHAS = (0.01, 0.05)  # false-alarm rates whose thresholds are measured
N_TOP_ROWS = 10  # most anomalous test rows that a record keeps
N_IMAGES = 4  # images of each kind that a record keeps

FlagsByAlpha = Mapping[str, NDArray[np.bool_]]


def measure(job: Job, data_dir: Path | None = None, scores_path: Path | None = None) -> RunRecord:
    """Fit and score the detector of a job and measure the result.

    Parameters
    ----------
    job : Job
    data_dir : Path, optional
        Folder with a local copy of the public data sets.
    scores_path : Path, optional
        A `.npy` file to write the scores of the test rows to.

    Returns
    -------
    dict
        Counts, times, metrics and curves of the run.
    """
    started = time.perf_counter()
    split, digest = job.task.load(job.seed, data_dir)
    load_seconds = time.perf_counter() - started
    detector = create_any(
        job.variant.detector, **{"random_state": job.seed, **job.task.parameters, **job.variant.parameters}
    )
    scores, flags, timing = _fit_and_score(detector, split, job.task.column_types)
    if scores_path is not None:
        with atomic_write(scores_path) as draft, draft.open("wb") as file:
            np.save(file, scores)
    record = {
        "status": "ok",
        "digest": digest,
        "notes": [*job.task.caveats, *split.notes],
        **_counts(detector, split),
        **column_facts(split.x_train),
        "seconds": {"load": load_seconds, "fit": detector.fit_seconds_, "score": timing["score_seconds"]},
        "scored_per_second": timing["scored_per_second"],
        "flagged": {alpha: float(flagged.mean()) for alpha, flagged in flags.items()},
        "top": _top_rows(split, scores),
        "health": getattr(detector, "health_", []),
        "versions": detector.fit_versions_,
    }
    if split.anomalous is None:
        return record
    record |= _compare_with_labels(split, split.anomalous, scores, flags)
    if split.x_test.ndim != 2 and split.masks is not None:
        _add_localization(record["metrics"], detector, split, split.anomalous)
    if job.seed == 0 and hasattr(detector, "reconstruct") and _takes_one_size(detector, split.x_test):
        record["pictures"] = _reconstructed_images(detector, split.x_test, scores, split.anomalous)
    return record


def _fit_and_score(
    detector: Any, split: Split, column_types: tuple[str, ...] | None
) -> tuple[Floats, FlagsByAlpha, dict[str, float]]:
    """Fit a detector, score the test rows, and flag them at each of `ALPHAS`.

    Equal test rows are scored once by egbad's detectors. The speed is that of the distinct rows.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the record holds the health of the training
        detector.fit(Data(split.x_train, column_types=column_types))
        started = time.perf_counter()
        if isinstance(detector, ExternalDetector):
            scores, n_scored = detector.anomaly_score(split.x_test), len(split.x_test)
        else:
            scores, n_scored = map_unique_rows(
                lambda x: np.asarray(
                    sum(compute_terms(detector.score_terms, Data(x, column_types=column_types)).values())
                ),
                split.x_test,
            )
        seconds = time.perf_counter() - started
        flags = {str(alpha): scores > calibration.threshold(detector.calibration_scores_, alpha) for alpha in ALPHAS}
    return scores, flags, {"score_seconds": seconds, "scored_per_second": n_scored / seconds}


def _counts(detector: Any, split: Split) -> RunRecord:
    """Count rows and training steps."""
    steps = getattr(detector, "history_", {}).get("step", ())
    return {
        "training_rows": len(split.x_train),
        "test_rows": len(split.x_test),
        "training_rows_used": detector.n_train_,
        "training_steps": int(steps[-1]) if len(steps) else None,
    }


def _top_rows(split: Split, scores: Floats) -> NDArray[np.intp]:
    """Return the positions of the most anomalous test rows, in the data set if they are known there."""
    top = np.argsort(-scores, kind="stable")[:N_TOP_ROWS]
    return top if split.row_indices is None else split.row_indices[top]


def _takes_one_size(detector: Any, x: Array) -> bool:
    """Return True if x (n, ...) are images that the detector takes at one size."""
    return x.ndim > 2 or (is_lazy(x) and detector.min_image_side is None)


def _reconstructed_images(detector: Any, x: Array, scores: Floats, anomalous: NDArray[np.bool_]) -> ImageGrid:
    """Return test images of each kind with their reconstructions."""
    x = decode_at(x, detector.shape_[-2:])
    return render_grid(sample_by_score(detector.reconstruct, x, scores, anomalous, N_IMAGES))


def _add_localization(found: RunRecord, detector: Any, split: Split, anomalous: NDArray[np.bool_]) -> None:
    """Add the metrics of pixel scores to those of the images, for all kinds of anomalies and for each."""
    kinds = ["anomaly"] * len(anomalous) if split.classes is None else [str(kind) for kind in split.classes.tolist()]
    given = () if split.masks is None else split.masks
    masks = [mask if mask is None or callable(mask) else partial(np.asarray, mask) for mask in given]
    for kind, metric in measure_localization(detector, split.x_test, kinds, anomalous, masks).items():
        target = found if kind is None else (found["by_kind"] or {}).get(kind, {})
        target |= {name: getattr(metric, name) for name in ("pixel_auroc", "pro", "peaks_in_masks")}


def _compare_with_labels(split: Split, anomalous: NDArray[np.bool_], scores: Floats, flags: FlagsByAlpha) -> RunRecord:
    """Compute the metrics that need labels."""
    y = anomalous
    top = metrics.top_share(scores, y, split.top_share)
    duplicates = duplicates_of_training_rows(split)
    new = ~duplicates
    has_both_kinds = y[new].any() and not y[new].all()
    return {
        "base_rate": metrics.base_rate(y),
        "repeats": int(duplicates.sum()),
        "metrics": {
            "auroc": metrics.auroc(scores, y),
            "average_precision": metrics.average_precision(scores, y),
            "trapezoid": metrics.trapezoidal_pr_auc(scores, y),
            "auroc_without_repeats": (
                metrics.auroc(scores[new], y[new]) if duplicates.any() and has_both_kinds else None
            ),
            "by_kind": _auroc_by_class(split.classes, y, scores),
            "top": {
                "share": split.top_share,
                **{name: getattr(top, name) for name in ("precision", "recall", "f1", "flagged", "ties")},
            },
            "thresholds": {
                alpha: {"false_alarms": float(flagged[~y].mean()), "found": float(flagged[y].mean())}
                for alpha, flagged in flags.items()
            },
        },
        "curves": chart_data(scores, y),
    }


def _auroc_by_class(classes: Array | None, anomalous: NDArray[np.bool_], scores: Floats) -> RunRecord | None:
    """Compute the AUROC of each class of anomalies against all normal rows, and count its rows."""
    if classes is None:
        return None
    result = {}
    for anomaly_class in dict.fromkeys(classes[anomalous].tolist()):
        selected = ~anomalous | (classes == anomaly_class)
        y = anomalous[selected]
        result[str(anomaly_class)] = {"auroc": metrics.auroc(scores[selected], y), "n": int(y.sum())}
    return result
