"""The work of `egbad detect` and `egbad score --out-of-fold`."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from egbad.cli.inputs import Source
from egbad.cli.output import count_of, note, note_all, note_skipped, print_json
from egbad.cli.run_score import ScoreRequest, check_request
from egbad.cli.score_output import check_score_target, is_folder_target, open_score_table, to_records
from egbad.data import Data, take_rows
from egbad.data.quality import find_uninformative
from egbad.data.validation import check_column_names
from egbad.detection import detect
from egbad.detectors.base import Detection, Detector
from egbad.detectors.base.out_of_fold import N_FOLDS
from egbad.errors import InvalidInputError
from egbad.loading import load
from egbad.scoring.score_tables import Columns, OutputColumns, join_columns, score_columns, take_columns


@dataclass(frozen=True, kw_only=True)
class DetectRequest:
    """Rows to score out of fold, the detector to copy, and the form of the output."""

    learner: Detector[Any]
    source: Source
    out: Path | None
    contamination: float
    folds: int = N_FOLDS
    terms: bool
    n_reasons: int | None
    as_json: bool


def run_detect(request: DetectRequest) -> None:
    """Score all rows out of fold, write the scores and print a summary.

    Parameters
    ----------
    request : DetectRequest

    Raises
    ------
    InvalidInputError
        If options do not go together, or the data cannot be used.
    """
    if request.out is not None:
        if is_folder_target(request.out):
            raise InvalidInputError(f"--out must be a .csv, .parquet or .jsonl file, got '{request.out}'.")
        check_score_target(request.out)
    data = request.source.read()
    check_column_names(request.source.column_types, data)
    note_all(find_uninformative(data).notes())
    if data.labels is not None:
        note("The labels of the data are not used.")
    found = detect(
        replace(data, labels=None),
        request.learner,
        contamination=request.contamination,
        n_folds=request.folds,
        verbose=not request.as_json,
    )
    columns = detection_columns(data, found, terms=request.terms, n_reasons=request.n_reasons)
    note_skipped(data.unreadable)
    _write(request, columns, found.threshold_)


def run_out_of_fold(request: ScoreRequest) -> None:
    """Score the rows that a model was trained on by copies of it, each fitted to other rows, and write the scores.

    Parameters
    ----------
    request : ScoreRequest

    Raises
    ------
    InvalidInputError
        If options do not go together, the model is an exported graph, or the data does not fit it.
    """
    check_request(request)
    if request.follow or request.fdr is not None or request.engine != "local" or request.batch_size is not None:
        raise InvalidInputError(
            "--out-of-fold fits models to all rows at once. Omit --follow, --fdr, --engine and --batch-size, or --out-of-fold."
        )
    scorer = load(request.model)
    if not isinstance(scorer, Detector):
        raise InvalidInputError(
            f"--out-of-fold fits copies of a detector, got the exported graph '{request.model}'. Name the model that it was "
            "exported from."
        )
    run_detect(
        DetectRequest(
            learner=scorer,
            source=replace(request.source(scorer), lazy=scorer.streams_images),
            out=request.out,
            contamination=scorer.alpha if request.alpha is None else request.alpha,
            terms=request.terms,
            n_reasons=request.n_reasons,
            as_json=request.as_json,
        )
    )


def detection_columns(data: Data, found: Detection, *, terms: bool, n_reasons: int | None) -> Columns:
    """Return the columns of a table of out-of-fold scores, as `egbad.scoring.score_tables.score_columns` names them.

    Parameters
    ----------
    data : Data
        The rows or images that were scored.
    found : Detection
    terms : bool
    n_reasons : int, optional
        As in `OutputColumns`.

    Returns
    -------
    dict of str to ndarray of shape (n_samples,)
    """
    output = OutputColumns(found.threshold_, terms, n_reasons)
    parts = []
    for fold in found.folds_:
        files = None if data.files is None else tuple(data.files[i] for i in fold.rows.tolist())
        parts.append(score_columns(fold.detector, replace(take_rows(data, fold.rows), files=files), output))
    order = np.argsort(np.concatenate([fold.rows for fold in found.folds_]))
    columns = take_columns(join_columns(parts), order)
    if "row" in columns:
        columns["row"] = data.first_row + np.arange(len(order))
    return columns | {"p_value": found.p_values_}


def _write(request: DetectRequest, columns: Columns, threshold: float) -> None:
    """Write the table to a file or to stdout, and a summary to stderr; or print both as JSON."""
    n, flagged = len(columns["anomaly"]), int(columns["anomaly"].sum())
    if request.out is not None or not request.as_json:
        with open_score_table(request.out) as table:
            table.write(columns)
    if not request.as_json:
        target = f", written to {request.out}" if request.out else ""
        note(f"{count_of(n, 'row')}, {flagged:,} flagged ({flagged / n:.2%}){target}.")
        return
    values: dict[str, Any] = {"rows": n, "flagged": flagged, "flagged_share": flagged / n, "threshold": threshold}
    values["out"] = str(request.out) if request.out else None
    if request.out is None:
        values["scores"] = list(to_records(columns))
    print_json(values)
