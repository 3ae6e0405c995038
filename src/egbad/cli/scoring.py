"""The commands that score: new data, batch by batch, and labelled data, to see how well."""

import shlex
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from egbad.cli import inputs, output
from egbad.cli.commands import AsJson, DataDir, DataSource, ImageSize, LabelColumn, ModelFile, Normal, app
from egbad.errors import InvalidInputError

if TYPE_CHECKING:
    from egbad.sources import Data

Columns = dict[str, Any]  # of a table of scores, each (n,)

_PIECE = 4096  # rows that are scored between two looks at the clock


# -- score -------------------------------------------------------------------------------------------------------------


@app.command()
def score(
    model: ModelFile,
    data: DataSource,
    out: Annotated[Path | None, typer.Option(help="A .csv, .parquet or .jsonl file (default: CSV on stdout).")] = None,
    terms: Annotated[bool, typer.Option("--terms", help="Add what each score is made of.")] = False,
    alpha: Annotated[float | None, typer.Option(help="Flag at this false-alarm rate, not at the model's own.")] = None,
    fdr: Annotated[
        float | None, typer.Option(metavar="Q", help="Add a column: discoveries of which a share Q may be false.")
    ] = None,
    label_column: LabelColumn = None,
    image_size: ImageSize = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Score DATA: one line per row or image, a higher score is more anomalous.

    Tables are read, scored and written batch by batch: they may be larger than memory, except with --fdr, which looks at
    all rows at once.
    """
    _check_rate("alpha", alpha)
    _check_rate("fdr", fdr)
    if out is not None:
        output.check_table(out)
    from egbad import calibration, load

    scorer = load(model)
    threshold = calibration.threshold(scorer.calibration_scores_, alpha) if alpha else scorer.threshold_
    stream = inputs.stream_data(data, label_column, image_size, data_dir, scorer.wanted_kinds)
    batches = _scored(scorer, stream, threshold, terms)
    if fdr is not None:
        batches = iter([_with_discoveries(_joined(batches), fdr)])
    kept: list[Columns] = []
    rows = flagged = discoveries = 0
    to_stdout = out is None and not as_json
    with output.table(out) if out or to_stdout else nullcontext() as table:
        for columns in batches:
            if table is not None:
                table.write(columns)
            else:
                kept.append(columns)
            rows, flagged = rows + len(columns["anomaly"]), flagged + int(columns["anomaly"].sum())
            discoveries += int(columns["discovery"].sum()) if fdr is not None else 0
    summary = {
        "rows": rows,
        "flagged": flagged,
        "flagged_share": flagged / rows,
        "threshold": float(threshold),
        "out": str(out) if out else None,
    } | ({"discoveries": discoveries} if fdr is not None else {})
    if as_json:
        output.show_json(summary | ({"scores": list(output.rows(_joined(iter(kept))))} if kept else {}))
        return
    where = f", written to {out}" if out else ""
    output.note(f"{rows:,} rows, {flagged:,} flagged ({flagged / rows:.2%}){where}.")


def _check_rate(name: str, value: float | None) -> None:
    if value is not None and not 0 < value < 1:
        raise InvalidInputError(f"{name} must be in (0, 1), got {value}.")


def _scored(scorer: Any, stream: Any, threshold: float, terms: bool) -> Iterator[Columns]:
    """The table of scores, a batch at a time, with progress."""
    import numpy as np

    from egbad import calibration
    from egbad.progress import progress

    with progress("Scoring", stream.rows, unit="rows") as advance:
        for data in stream.batches:
            parts = _score_terms(scorer, data, advance)
            scores = np.asarray(sum(parts.values()))
            first: Columns = (
                {"file": np.array(data.files)} if data.files else {"row": data.first_row + np.arange(len(scores))}
            )
            p = calibration.p_values(scorer.calibration_scores_, scores)
            yield first | {"score": scores, "p_value": p, "anomaly": scores > threshold} | (parts if terms else {})


def _score_terms(scorer: Any, data: "Data", advance: Any) -> Columns:
    """The terms (n,) of every row's score."""
    import numpy as np

    parts = []
    for start in range(0, len(data.x), _PIECE):
        x = data.x[start : start + _PIECE]
        parts.append(scorer.score_terms(replace(data, x=x, files=None, labels=None, first_row=data.first_row + start)))
        advance(len(x))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _joined(batches: Iterator[Columns]) -> Columns:
    import numpy as np

    parts = list(batches)
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _with_discoveries(columns: Columns, fdr: float) -> Columns:
    """With a column that says which rows are discoveries, after the one that says which are anomalies."""
    from egbad import calibration

    found: Columns = {}
    for name, values in columns.items():
        found[name] = values
        if name == "anomaly":
            found["discovery"] = calibration.benjamini_hochberg(columns["p_value"], fdr)
    return found


# -- evaluate ----------------------------------------------------------------------------------------------------------


@app.command()
def evaluate(
    model: ModelFile,
    data: DataSource,
    label_column: LabelColumn = None,
    normal: Normal = None,
    report: Annotated[Path | None, typer.Option(help="Write a page of HTML with curves and histograms.")] = None,
    image_size: ImageSize = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Measure how well MODEL tells the anomalies of labelled DATA from its normal rows.

    Labels that are numbers: 0 is normal, anything else an anomaly. Other labels need --normal LABEL.
    """
    if report is not None:
        output.check_target(report)
    import time

    from egbad import load, metrics
    from egbad.progress import progress

    scorer = load(model)
    found = inputs.read_data(data, label_column, image_size, data_dir, scorer.wanted_kinds)
    anomalous = ~inputs.normal_rows(found.labels, normal)
    started = time.perf_counter()
    with progress("Scoring", len(found.x), unit="rows") as advance:
        scores = sum(_score_terms(scorer, found, advance).values())
    seconds = time.perf_counter() - started
    flags = metrics.flags(scores, anomalous, scorer.threshold_)
    measured: dict[str, Any] = {
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
    if report is not None:
        _write_report(report, scorer, found, scores, anomalous, measured, (model, data))
        measured["report"] = str(report)
    shown = measured if as_json else {name.replace("_", " "): value for name, value in measured.items()}
    output.show(f"{model} on {data}", shown, as_json=as_json)


def _write_report(
    path: Path, detector: Any, data: Any, scores: Any, anomalous: Any, measured: dict[str, Any], names: tuple[Path, str]
) -> None:
    import hashlib

    import numpy as np

    from egbad.persistence import replacing
    from egbad.report import evaluation_report, to_html

    model, source = names
    page = evaluation_report(
        title=f"{Path(model).stem} meets {Path(source).name}",
        lead=f"Of {measured['anomalies']:,} anomalies it flags {measured['flagged_anomalies']:.1%}, of "
        f"{measured['rows'] - measured['anomalies']:,} normal rows {measured['flagged_normals']:.1%}; "
        f"AUROC {measured['auroc']:.3f}.",
        about=detector.describe(),
        scores=scores,
        anomalous=anomalous,
        threshold=detector.threshold_,
        history=getattr(detector, "history_", {}),
        seconds={"fit": detector.fit_seconds_, "score": measured["seconds"]},
        data={
            "name": Path(source).name,
            "rows": measured["rows"],
            "digest": hashlib.sha256(np.ascontiguousarray(data.x).data).hexdigest(),
        },
        command=shlex.join(["egbad", *sys.argv[1:]]),
    )
    with replacing(path) as draft:
        draft.write_text(to_html(page), encoding="utf-8")
