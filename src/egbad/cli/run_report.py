"""The work of `egbad report`."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from egbad.arrays import Floats
from egbad.cli.inputs import Source
from egbad.cli.output import note, note_skipped, print_json
from egbad.data import Data, Stream
from egbad.data.arrow_columns import carried_cells
from egbad.errors import InvalidInputError
from egbad.explain.explanation import Explanation, join_explanations
from egbad.export.onnx_scorer import OnnxScorer
from egbad.loading import load
from egbad.output_files import printable, write_text
from egbad.progress import progress
from egbad.report import (
    FindingsReport,
    RowLocation,
    findings_report,
    findings_to_html,
    findings_to_json,
    findings_to_markdown,
)
from egbad.report.messages import Messages


def report(
    model: Path,
    source: Source,
    out: Path,
    *,
    n_top: int,
    n_reasons: int,
    max_explained: int,
    language: str,
    command: str,
    as_json: bool,
) -> None:
    """Score data, explain the highest scores, and write a report.

    Parameters
    ----------
    model : Path
    source : Source
    out : Path
        File to write; its suffix decides on the format.
    n_top : int
        Number of the highest scores to show.
    n_reasons : int
        Number of columns that explain each score.
    max_explained : int
        Number of the highest scores to explain.
    language : str
    command : str
        Command line that repeats the report.
    as_json : bool
        Print a summary as JSON.
    """
    Messages(language)  # refuses an unknown language before the work is done
    scorer = load(model)
    if isinstance(scorer, OnnxScorer):
        scorer.check_explains()
    stream = replace(source, scorer=scorer).stream()
    scores, highest = _score(scorer, stream, max_explained)
    note_skipped(stream.unreadable)
    findings = findings_report(
        scorer,
        scores,
        scorer.explain(highest.rows()) if highest.explanation is None else highest.explanation,
        highest.locations,
        model_name=printable(model.stem),
        data_name=printable(Path(source.given).name),
        command=command,
        n_top=n_top,
        n_reasons=n_reasons,
        data={"skipped": stream.unreadable} if stream.unreadable else {},
    )
    write_findings(findings, out, language)
    if as_json:
        print_json(_summarize(findings) | {"report": str(out)})
    else:
        flagged = f"{findings.n_flagged:,} flagged ({findings.flagged_share:.2%})"
        note(f"{findings.n_samples:,} {findings.kind}, {flagged}, report written to {out}.")


def _score(scorer: Any, stream: Stream, max_explained: int) -> tuple[Floats, "HighestScores"]:
    """Score a stream, and keep the rows with the highest scores, with their explanations where these hold the scores."""
    scores, highest = [np.empty(0)], HighestScores(max_explained)
    explains = scorer.kind_ == "images" and getattr(scorer, "explains_scores", False)
    with progress("Scoring", stream.n_rows, unit="rows") as advance:
        for batch in stream.batches:
            found, explanation = scorer.score_and_explain(batch) if explains else (scorer.anomaly_score(batch), None)
            scores.append(found)
            highest.add(batch, scores[-1], explanation)
            advance(len(batch.x))
    return np.concatenate(scores), highest


@dataclass
class HighestScores:
    """The rows or images with the highest scores of a stream, and their locations.

    Attributes
    ----------
    max_rows : int
        Number of rows to keep.
    data : Data, optional
        Rows with the highest scores so far, the highest first.
    scores : ndarray of shape (n_kept,)
    locations : list of RowLocation
    explanation : Explanation, optional
        Of these rows, if it was given for each batch.
    """

    max_rows: int
    data: Data | None = None
    scores: Floats = field(default_factory=lambda: np.empty(0))
    locations: list[RowLocation] = field(default_factory=list)
    explanation: Explanation | None = None

    def add(self, batch: Data, scores: Floats, explanation: Explanation | None = None) -> None:
        """Add a batch, its scores of shape (n_samples,), and perhaps their explanation."""
        best = np.argsort(-scores, kind="stable")[: self.max_rows]
        explained = None if explanation is None else explanation.select(best)
        rows = replace(batch, x=batch.x[best], labels=None, carried=None)
        locations = _locate(batch, best)
        if self.data is None:
            self.data, self.scores, self.locations, self.explanation = rows, scores[best], locations, explained
            return
        known = self.data.category_labels
        labels = {j: known.get(j, {}) | rows.category_labels.get(j, {}) for j in {**known, **rows.category_labels}}
        merged = np.concatenate([self.scores, scores[best]])
        order = np.argsort(-merged, kind="stable")[: self.max_rows]
        if self.explanation is not None and explained is not None:
            self.explanation = join_explanations([self.explanation, explained]).select(order)
        self.data = replace(self.data, x=np.concatenate([self.data.x, rows.x])[order], category_labels=labels)
        self.scores, self.locations = merged[order], [(self.locations + locations)[i] for i in order.tolist()]

    def rows(self) -> Data:
        """Return the rows with the highest scores, the highest first.

        Raises
        ------
        InvalidInputError
            If the stream had no rows.
        """
        if self.data is None:
            raise InvalidInputError("There must be at least one row or image to report on, got none.")
        return replace(self.data, files=None, first_row=0, source=None)


def _locate(batch: Data, positions: NDArray[np.intp]) -> list[RowLocation]:
    """Return the file, the row in it and the ids of some rows or images of a batch."""
    if batch.files:
        return [RowLocation(file=batch.files[i]) for i in positions.tolist()]
    ids = [dict[str, Any]() for _ in positions]
    if batch.carried is not None:
        carried = batch.carried.take(positions)
        cells = [carried_cells(carried[name]) for name in carried.column_names]
        ids = [dict(zip(carried.column_names, row, strict=True)) for row in zip(*cells, strict=True)]
    return [RowLocation(batch.source, batch.first_row + i, own) for i, own in zip(positions.tolist(), ids, strict=True)]


def write_findings(findings: FindingsReport, path: Path, language: str) -> None:
    """Write findings as HTML, Markdown or JSON, by the suffix of the path."""
    suffix = path.suffix.lower()
    if suffix == ".html":
        text = findings_to_html(findings, language)
    elif suffix == ".md":
        text = findings_to_markdown(findings, language)
    else:
        text = findings_to_json(findings)
    write_text(path, text)


def _summarize(findings: FindingsReport) -> dict[str, Any]:
    """Return the main figures of findings for JSON."""
    return {
        "rows": findings.n_samples,
        "flagged": findings.n_flagged,
        "flagged_share": findings.flagged_share,
        "interval": list(findings.interval),
        "threshold": findings.threshold,
        "causes": [{"rows": len(group.rows), "columns": list(group.names)} for group in findings.groups],
    }
