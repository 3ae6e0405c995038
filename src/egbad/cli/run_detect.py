"""The work of `egbad detect`."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from egbad.cli.inputs import Source
from egbad.cli.output import count_of, note, note_all, note_skipped, print_json
from egbad.cli.parameters import create_detector
from egbad.cli.score_output import check_score_target, is_folder_target, open_score_table, to_records
from egbad.data import Data, take_rows
from egbad.data.quality import find_uninformative
from egbad.data.validation import check_column_names
from egbad.detection import detect
from egbad.detectors.base import Detection
from egbad.errors import InvalidInputError
from egbad.scoring.score_tables import Columns, OutputColumns, join_columns, score_columns, take_columns


@dataclass(frozen=True, kw_only=True)
class DetectRequest:
    """Arguments and options of `egbad detect`."""

    source: Source
    out: Path | None
    detector: str
    settings: Sequence[str] | None
    contamination: float
    folds: int
    terms: bool
    n_reasons: int | None
    seed: int
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
    learner = create_detector(
        request.detector, request.settings, {"random_state": request.seed}, request.source.patch_size
    )
    data = request.source.read()
    check_column_names(request.source.column_types, data)
    note_all(find_uninformative(data).notes())
    if data.labels is not None:
        note("The labels of the data are not used.")
    found = detect(
        replace(data, labels=None),
        learner,
        contamination=request.contamination,
        n_folds=request.folds,
        verbose=not request.as_json,
    )
    columns = detection_columns(data, found, terms=request.terms, n_reasons=request.n_reasons)
    note_skipped(data.unreadable)
    _write(request, columns, found.threshold_)


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
