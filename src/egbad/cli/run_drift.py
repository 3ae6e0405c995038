"""The work of `egbad drift`."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from egbad.cli.inputs import Source
from egbad.cli.output import note_skipped, print_json
from egbad.cli.tables import format_value, print_table, print_values
from egbad.loading import load
from egbad.progress import progress
from egbad.scoring import calibration
from egbad.scoring.drift import DriftMonitor, DriftReport
from egbad.scoring.score_tables import compute_terms

EXIT_CODES = {"none": 0, "shift": 3, "order": 3, "anomalies": 4}
_MAX_COLUMNS = 20  # columns that the table for people shows


def run_drift(model: Path, source: Source, *, level: float, alpha: float | None, seed: int, as_json: bool) -> int:
    """Compare data with the rows that set the threshold of a model, and print the result.

    Parameters
    ----------
    model : Path
    source : Source
        New rows or images.
    level : float
        Probability of a false alarm.
    alpha : float, optional
        False-alarm rate to flag at. By default that of the model.
    seed : int
    as_json : bool

    Returns
    -------
    int
        Exit code: 0 without drift, 4 for more anomalies, 3 for any other drift.

    Raises
    ------
    InvalidInputError
        If the data does not fit the model.
    """
    scorer = load(model)
    threshold = None
    if alpha is not None:
        threshold = calibration.threshold(scorer.calibration_scores_, alpha)
        calibration.warn_if_too_few(len(scorer.calibration_scores_), alpha)
    monitor = DriftMonitor(scorer, level, threshold, seed)
    stream = replace(source, scorer=scorer).stream()
    with progress("Scoring", stream.n_rows, unit="rows") as advance:
        for batch in stream.batches:
            scores = np.asarray(sum(compute_terms(scorer.score_terms, batch, advance).values()))
            monitor.add(scores, batch)
    note_skipped(stream.unreadable)
    report = monitor.report()
    if as_json:
        print_json(report.to_json() | {"skipped": list(stream.unreadable)})
    else:
        _print_report(report)
    return EXIT_CODES[report.kind]


def _print_report(report: DriftReport) -> None:
    """Print the result for people: a sentence, figures, and the columns that have changed."""
    evidence, flagged = report.martingale, report.flagged
    values: dict[str, Any] = {
        "rows": report.rows,
        "calibration rows": report.calibration_rows,
        "flagged": f"{flagged.share:.2%} (95% interval {flagged.low:.2%} to {flagged.high:.2%}), "
        f"expected {flagged.expected:.2%}, p = {flagged.p_value:.3g}",
        "martingale": f"at most {evidence.max_value:.3g}, alarm at {evidence.threshold:,.0f}"
        + ("" if evidence.alarm_row is None else f", reached after row {evidence.alarm_row:,}"),
        "scores": f"p = {report.scores.p_value:.3g}",
        "scores in the usual range": f"p = {report.usual_scores.p_value:.3g}",
        "columns": report.untested
        or f"{sum(c.drift for c in report.columns):,} of {len(report.columns):,} have changed",
    }
    print_values(report.summary, values, as_json=False)
    changed = [column for column in report.columns if column.drift][:_MAX_COLUMNS]
    if changed:
        rows = [
            (column.column, column.test, format_value(column.statistic), format_value(column.adjusted))
            for column in changed
        ]
        print_table("Columns that have changed most clearly", ("column", "test", "statistic", "adjusted p"), rows)
