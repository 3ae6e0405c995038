"""The commands that score: new data, batch by batch, and labelled data, to see how well."""

import shlex
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from egbad.cli import inputs, output
from egbad.cli.commands import (
    AsJson,
    DataDir,
    DataSource,
    ImageSize,
    LabelColumn,
    ModelFile,
    Normal,
    SkipBad,
    app,
)
from egbad.errors import InvalidInputError

if TYPE_CHECKING:
    from egbad.sources import Data

Columns = dict[str, Any]  # of a table of scores, each (n,)


@dataclass(frozen=True)
class Told:
    """What is told of each row: whether its score is above a threshold, what it is made of, and so many reasons."""

    threshold: float
    terms: bool
    reasons: int | None


_PIECE = 4096  # rows that are scored between two looks at the clock


# -- score -------------------------------------------------------------------------------------------------------------


@app.command()
def score(
    model: ModelFile,
    data: Annotated[
        str | None,
        typer.Argument(
            metavar="[DATA]",
            help="As 'egbad fit' takes it; tables may be a folder, or a pattern as in 'days/*.parquet'.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="A .csv, .parquet or .jsonl file, or a folder of parts (default: CSV on stdout)."),
    ] = None,
    terms: Annotated[bool, typer.Option("--terms", help="Add what each score is made of.")] = False,
    explain: Annotated[
        int | None,
        typer.Option(
            metavar="K",
            min=1,
            help="Add the K columns, or regions of an image, that made each flagged score, with what was expected.",
        ),
    ] = None,
    alpha: Annotated[float | None, typer.Option(help="Flag at this false-alarm rate, not at the model's own.")] = None,
    fdr: Annotated[
        float | None, typer.Option(metavar="Q", help="Add a column: discoveries of which a share Q may be false.")
    ] = None,
    follow: Annotated[
        bool,
        typer.Option("--follow", help="Read rows from standard input, one a line as JSON, and answer each at once."),
    ] = False,
    label_column: LabelColumn = None,
    image_size: ImageSize = None,
    skip_bad: SkipBad = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Score DATA: one line per row or image, a higher score is more anomalous.

    Tables are read, scored and written batch by batch: they may be larger than memory, except with --fdr, which looks at
    all rows at once. With --out FOLDER they are written in parts of about a million rows, and a job that was killed goes on
    with the same command at the first part that isn't there.
    """
    _check_rate("alpha", alpha)
    _check_rate("fdr", fdr)
    _check_asked(data, out, follow=follow, whole=fdr is not None, reasons=explain is not None)
    if out is not None:
        output.check_table(out)
    from egbad import calibration, load

    scorer = load(model)
    threshold = float(calibration.threshold(scorer.calibration_scores_, alpha) if alpha else scorer.threshold_)
    if explain is not None:
        _check_explains(scorer)
    if data is None:
        from egbad.cli.following import follow as answer

        answer(scorer, threshold, terms=terms)
        return
    bad: list[str] = []
    source = inputs.Source(
        *(data, label_column, image_size, data_dir),
        kinds=scorer.wanted_kinds,
        like=inputs.shape_of(scorer),
        bad=bad if skip_bad else None,
    )
    stream = source.stream()
    summary: dict[str, Any] = {"rows": 0, "flagged": 0}
    kept: list[Columns] = []
    told = Told(threshold, terms, explain)
    if out is not None and _is_folder(out):
        from egbad.cli.parts import PartsFolder

        asked = {"files": source.identity(), "label_column": label_column, "image_size": image_size}
        _write_parts(scorer, stream, told, PartsFolder(out, model, asked | asdict(told)), summary)
    else:
        kept = _write_table(scorer, stream, told, fdr, out, summary, keep=as_json and out is None)
    output.note_bad(bad)
    summary |= {"skipped": bad} if skip_bad else {}
    rows, flagged = summary["rows"], summary["flagged"]
    summary |= {"flagged_share": flagged / rows, "threshold": threshold, "out": str(out) if out else None}
    if as_json:
        output.show_json(summary | ({"scores": list(output.rows(_joined(iter(kept))))} if kept else {}))
        return
    where = f", written to {out}" if out else ""
    output.note(f"{rows:,} rows, {flagged:,} flagged ({flagged / rows:.2%}){where}.")


def _count(summary: dict[str, Any], rows: int, flagged: int) -> None:
    summary["rows"] += rows
    summary["flagged"] += flagged


def _write_parts(scorer: Any, stream: Any, told: Told, folder: Any, summary: dict[str, Any]) -> None:
    """Score what is in none of the parts that are there."""
    from egbad.cli.parts import flagged
    from egbad.progress import progress

    with progress("Scoring", stream.rows, unit="rows") as advance:
        for path, there, batches in folder.each(stream.batches):
            if there:
                for data in batches:
                    advance(len(data.x))
            else:
                with output.table(path) as table:
                    for data in batches:
                        table.write(_columns(scorer, data, told, advance))
            _count(summary, *flagged(path))


def _is_folder(out: Path) -> bool:
    """Whether scores go to a folder of parts."""
    return out.is_dir() or not out.suffix


def _check_asked(data: str | None, out: Path | None, *, follow: bool, whole: bool, reasons: bool) -> None:
    """Refuse what does not go together; `whole` is what looks at all rows at once."""
    if follow and (data is not None or out is not None or whole or reasons):
        raise InvalidInputError(
            "--follow reads standard input and answers on standard output: leave out DATA, --out, --fdr and --explain."
        )
    if not follow and data is None:
        raise InvalidInputError("There must be DATA to score, or --follow to read rows from standard input.")
    if out is not None and _is_folder(out) and whole:
        raise InvalidInputError("--fdr looks at all rows at once: give --out a file, not a folder of parts.")


def _check_explains(scorer: Any) -> None:
    if not hasattr(scorer, "explain"):
        raise InvalidInputError("An exported graph gives no reasons: score with the model, or leave out --explain.")


def _write_table(
    scorer: Any,
    stream: Any,
    told: Told,
    fdr: float | None,
    out: Path | None,
    summary: dict[str, Any],
    *,
    keep: bool,
) -> list[Columns]:
    """Score all and write it to a file or to stdout, or `keep` it and give it back."""
    batches = _scored(scorer, stream, told)
    if fdr is not None:
        batches = iter([_with_discoveries(_joined(batches), fdr)])
    kept: list[Columns] = []
    with nullcontext() if keep else output.table(out) as table:
        for columns in batches:
            if table is None:
                kept.append(columns)
            else:
                table.write(columns)
            _count(summary, len(columns["anomaly"]), int(columns["anomaly"].sum()))
            if fdr is not None:
                summary["discoveries"] = int(columns["discovery"].sum())
    return kept


def _check_rate(name: str, value: float | None) -> None:
    if value is not None and not 0 < value < 1:
        raise InvalidInputError(f"{name} must be in (0, 1), got {value}.")


def _scored(scorer: Any, stream: Any, told: Told) -> Iterator[Columns]:
    """The table of scores, a batch at a time, with progress."""
    from egbad.progress import progress

    with progress("Scoring", stream.rows, unit="rows") as advance:
        for data in stream.batches:
            yield _columns(scorer, data, told, advance)


def _columns(scorer: Any, data: "Data", told: Told, advance: Any) -> Columns:
    """The scores of a batch, and what is told beside them."""
    import numpy as np

    from egbad import calibration

    parts = _score_terms(scorer, data, advance)
    scores = np.asarray(sum(parts.values()))
    place: Columns = {"row": data.first_row + np.arange(len(scores))}
    if data.files:
        place = {"file": np.array(data.files)}
    elif data.source:
        place = {"file": np.repeat(data.source, len(scores))} | place
    p = calibration.p_values(scorer.calibration_scores_, scores)
    flagged = scores > told.threshold
    reasons = _reasons(scorer, data, flagged, told.reasons) if told.reasons else {}
    return place | {"score": scores, "p_value": p, "anomaly": flagged} | (parts if told.terms else {}) | reasons


def _reasons(scorer: Any, data: "Data", flagged: Any, k: int) -> Columns:
    """For each of the k columns, or regions, that made a flagged row's score: its name, what it added, and of columns more.

    What is there and was expected as text, where a number usually lies, and the share of normal rows as far off.
    """
    import numpy as np

    from egbad.causes import by_region
    from egbad.sources import part_of

    rows = np.flatnonzero(flagged)
    texts = ("", "_found", "_expected") if scorer.kind_ == "rows" else ("",)
    numbers = ("_share", "_low", "_high", "_tail") if scorer.kind_ == "rows" else ("_share",)
    found: Columns = {}
    for i in range(1, k + 1):
        found |= {f"reason_{i}{what}": np.full(len(flagged), None, dtype=object) for what in texts}
        found |= {f"reason_{i}{what}": np.full(len(flagged), np.nan) for what in numbers}
    if not len(rows):
        return found
    explained = scorer.explain(part_of(data, rows))
    if scorer.kind_ == "images":
        names, weights = by_region(explained.shares)
        order = np.argsort(-weights, axis=1, kind="stable")
        for i in range(min(k, len(names))):
            found[f"reason_{i + 1}"][rows] = [names[j] for j in order[:, i]]
            found[f"reason_{i + 1}_share"][rows] = np.take_along_axis(weights, order, axis=1)[:, i]
        return found
    for row, reasons in zip(rows, explained.top(k), strict=True):
        for i, reason in enumerate(reasons, 1):
            found[f"reason_{i}"][row] = reason.column
            for what in ("found", "expected"):
                found[f"reason_{i}_{what}"][row] = output.in_words(getattr(reason, what))
            for what in ("share", "low", "high", "tail"):
                value = getattr(reason, what)
                found[f"reason_{i}_{what}"][row] = np.nan if value is None else value
    return found


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
    found = inputs.Source(
        *(data, label_column, image_size, data_dir), kinds=scorer.wanted_kinds, like=inputs.shape_of(scorer)
    ).read()
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
