"""The commands that score: new data, batch by batch, and labelled data, to see how well."""

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from egbad.cli import inputs, loading, output
from egbad.cli.app import app
from egbad.cli.options import ENGINES, AsJson, DataDir, ImageSize, LabelColumn, ModelFile, SkipBad
from egbad.errors import InvalidInputError, unknown

if TYPE_CHECKING:
    from egbad.scoring.score_tables import OutputColumns

Columns = dict[str, Any]  # of a table of scores, each (n,)


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
    batch_size: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, help="Rows or images to read and score at a time (default: 16384 rows, 1024 images)."
        ),
    ] = None,
    engine: Annotated[
        str, typer.Option(help="local, or ray: score parts on Ray's workers, here or on a cluster.")
    ] = "local",
    workers: Annotated[
        int | None, typer.Option(min=1, help="Of --engine ray (default: as many as there are cores).")
    ] = None,
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
    _check_engine(engine, out)
    if out is not None:
        output.check_table(out)
    scorer = loading.load_model(model)
    from egbad.scoring import calibration
    from egbad.scoring.score_files import ScoreFolder
    from egbad.scoring.score_tables import OutputColumns

    threshold = float(calibration.threshold(scorer.calibration_scores_, alpha) if alpha else scorer.threshold_)
    if explain is not None:
        _check_explains(scorer)
    if data is None:
        from egbad.cli.follow import follow as answer

        answer(scorer, threshold, terms=terms)
        return
    source = inputs.Source(
        data, label_column, image_size, data_dir, like=scorer, skip_unreadable=skip_bad, batch_size=batch_size
    )
    stream = source.stream()
    if engine == "ray" and stream.partitions is None:
        raise InvalidInputError("With --engine ray DATA must be Parquet files or images. Score other files without it.")
    summary: dict[str, Any] = {"rows": 0, "flagged": 0}
    kept: list[Columns] = []
    told = OutputColumns(threshold, terms, explain)
    if out is not None and _is_folder(out):
        asked = {
            "files": source.identity(),
            "label_column": label_column,
            "image_size": image_size,
            "batch_size": batch_size,
        }
        folder = ScoreFolder(out, model, asked | asdict(told), Path(data) if Path(data).is_dir() else None)
        if engine == "ray":
            _write_by_ray(model, stream, told, folder, workers, summary)
        else:
            _write_parts(scorer, stream, told, folder, summary)
    else:
        kept = _write_table(scorer, stream, told, fdr, out, summary, keep=as_json and out is None)
    output.note_bad(stream.unreadable)
    _tell(summary | ({"skipped": stream.unreadable} if skip_bad else {}), threshold, kept, out, as_json=as_json)


def _tell(summary: dict[str, Any], threshold: float, kept: list[Columns], out: Path | None, *, as_json: bool) -> None:
    """How much was scored and flagged, as JSON with what was kept, or a sentence."""
    rows, flagged = summary["rows"], summary["flagged"]
    if as_json:
        told = summary | {"flagged_share": flagged / rows, "threshold": threshold, "out": str(out) if out else None}
        output.show_json(told | ({"scores": list(output.rows(_joined(iter(kept))))} if kept else {}))
        return
    where = f", written to {out}" if out else ""
    output.note(f"{output.counted(rows, 'row')}, {flagged:,} flagged ({flagged / rows:.2%}){where}.")


def _count(summary: dict[str, Any], rows: int, flagged: int) -> None:
    summary["rows"] += rows
    summary["flagged"] += flagged


def _write_parts(scorer: Any, stream: Any, told: "OutputColumns", folder: Any, summary: dict[str, Any]) -> None:
    """Score what is in none of the parts that are there."""
    from egbad.progress import progress
    from egbad.scoring.score_files import count_rows, write_scores

    with progress("Scoring", stream.n_rows, unit="rows") as advance:
        for path, batches in folder.files(stream):
            there = path.exists()
            if not there:
                write_scores(path, scorer, batches, told, advance)
            counts = count_rows(path)
            if there:
                advance(counts[0])
            _count(summary, *counts)


def _write_by_ray(
    model: Path, stream: Any, told: "OutputColumns", folder: Any, workers: int | None, summary: dict[str, Any]
) -> None:
    """The same by workers of Ray."""
    from egbad.distributed import score_partitions
    from egbad.progress import progress
    from egbad.scoring.score_files import count_rows

    paths = [folder.path(number) for number in range(len(stream.partitions))]
    todo = [(path, piece) for path, piece in zip(paths, stream.partitions, strict=True) if not path.exists()]
    with progress("Scoring", stream.n_rows, unit="rows") as advance:
        advance(stream.n_rows - sum(piece.n_rows for _, piece in todo))
        for n_rows, unreadable in score_partitions(model, todo, told, workers):
            stream.unreadable += unreadable
            advance(n_rows)
    for path in paths:
        _count(summary, *count_rows(path))


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


def _check_engine(engine: str, out: Path | None) -> None:
    if engine not in ENGINES:
        raise unknown("engine", engine, ENGINES)
    if engine == "ray" and (out is None or not _is_folder(out)):
        raise InvalidInputError("Ray's workers write parts: give --out a folder.")


def _check_explains(scorer: Any) -> None:
    if not hasattr(scorer, "explain"):
        raise InvalidInputError("An exported graph gives no reasons: score with the model, or leave out --explain.")


def _write_table(
    scorer: Any,
    stream: Any,
    told: "OutputColumns",
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


def _scored(scorer: Any, stream: Any, told: "OutputColumns") -> Iterator[Columns]:
    """The table of scores, a batch at a time, with progress."""
    from egbad.progress import progress
    from egbad.scoring.score_tables import score_columns

    with progress("Scoring", stream.n_rows, unit="rows") as advance:
        for data in stream.batches:
            yield score_columns(scorer, data, told, advance)


def _joined(batches: Iterator[Columns]) -> Columns:
    import numpy as np

    parts = list(batches)
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _with_discoveries(columns: Columns, fdr: float) -> Columns:
    """With a column that says which rows are discoveries, after the one that says which are anomalies."""
    from egbad.scoring import calibration

    found: Columns = {}
    for name, values in columns.items():
        found[name] = values
        if name == "anomaly":
            found["discovery"] = calibration.benjamini_hochberg(columns["p_value"], fdr)
    return found


# -- evaluate ----------------------------------------------------------------------------------------------------------
