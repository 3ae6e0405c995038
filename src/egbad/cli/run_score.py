"""The work of `egbad score`. Scoring with an exported graph does not import torch."""

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from egbad.cli.column_options import DEFAULT_COLUMN_OPTIONS, ColumnOptions
from egbad.cli.follow import answer_rows
from egbad.cli.inputs import Source, column_selection
from egbad.cli.output import count_of, note, note_skipped, print_json
from egbad.cli.output_check import check_output_folder, check_outputs
from egbad.cli.score_heatmaps import BATCH_IMAGES, check_heatmap_folder, heatmap_writer
from egbad.cli.score_output import check_score_target, is_folder_target, open_score_table, to_records
from egbad.data import Stream
from egbad.data.csv_options import DEFAULT_CSV_OPTIONS, CsvOptions
from egbad.errors import InvalidInputError
from egbad.export.onnx_scorer import OnnxScorer
from egbad.loading import load
from egbad.output_files import locked_folder
from egbad.progress import progress
from egbad.scoring import calibration
from egbad.scoring.score_files import FIRST_PART, ScoreFolder, count_rows, write_scores
from egbad.scoring.score_tables import Columns, OutputColumns, ScoreTerms, join_columns, score_columns
from egbad.scoring.scorer import Scorer


@dataclass(frozen=True, kw_only=True)
class ScoreRequest:
    """Arguments and options of `egbad score`."""

    model: Path
    data: str | None
    out: Path | None
    terms: bool
    n_reasons: int | None
    alpha: float | None
    fdr: float | None
    follow: bool
    label_column: str | None
    image_size: str | None
    skip_unreadable: bool
    engine: str
    workers: int | None
    data_dir: Path | None
    batch_size: int | None
    out_of_fold: bool = False
    heatmaps: Path | None = None
    csv: CsvOptions = DEFAULT_CSV_OPTIONS
    columns: ColumnOptions = DEFAULT_COLUMN_OPTIONS
    as_json: bool

    @property
    def to_folder(self) -> bool:
        """True if scores are written as a folder of parts."""
        return self.out is not None and is_folder_target(self.out)

    def source(self, scorer: Scorer) -> Source:
        """Return the data to score."""
        assert self.data is not None
        return Source(
            self.data,
            self.label_column,
            self.image_size,
            self.data_dir,
            scorer=scorer,
            skip_unreadable=self.skip_unreadable,
            batch_size=BATCH_IMAGES if self.batch_size is None and self.heatmaps is not None else self.batch_size,
            csv=self.csv,
            columns=column_selection(self.columns),
        )


@dataclass
class _Summary:
    """Counts of a scoring job, and the scores if they are printed as JSON."""

    rows: int = 0
    flagged: int = 0
    discoveries: int | None = None
    batches: list[Columns] | None = None
    unreadable: Sequence[str] = ()

    def add(self, rows: int, flagged: int) -> None:
        """Count the rows of a batch or part."""
        self.rows += rows
        self.flagged += flagged


def run_score(request: ScoreRequest) -> None:
    """Score data, write the scores and print a summary.

    Parameters
    ----------
    request : ScoreRequest

    Raises
    ------
    InvalidInputError
        If options do not go together, or the data does not fit the model.
    """
    check_request(request)
    scorer = load(request.model)
    if request.n_reasons is not None and isinstance(scorer, OnnxScorer):
        scorer.check_explains()
    threshold = scorer.threshold_
    if request.alpha is not None:
        threshold = calibration.threshold(scorer.calibration_scores_, request.alpha)
        calibration.warn_if_too_few(len(scorer.calibration_scores_), request.alpha)
    output = OutputColumns(float(threshold), request.terms, request.n_reasons)
    if request.data is None:
        columns = column_selection(request.columns)
        answer_rows(scorer, output.threshold, terms=request.terms, columns=columns, missing=request.csv.missing)
        return
    score = _score_to_folder if request.to_folder else _score_to_table
    source = request.source(scorer)
    with heatmap_writer(request.heatmaps, scorer, request.model, source, request.alpha) as terms:
        summary = score(request, scorer, source, output, terms)
    note_skipped(summary.unreadable)
    _print_summary(request, summary, output.threshold)


def check_request(request: ScoreRequest) -> None:
    """Check that options go together, before anything is loaded.

    Parameters
    ----------
    request : ScoreRequest

    Raises
    ------
    InvalidInputError
    """
    if request.follow:
        _check_follows(request)
    if not request.follow and request.data is None:
        raise InvalidInputError("Name the DATA to score, or use --follow to read rows from stdin.")
    if request.to_folder and request.fdr is not None:
        raise InvalidInputError("--fdr needs all scores at once, but --out is a folder of parts. Name a file as --out.")
    if request.engine == "ray" and not request.to_folder:
        raise InvalidInputError("--engine ray writes a folder of parts. Name a folder as --out.")
    if request.out is not None:
        check_score_target(request.out)
    inputs = {"MODEL": request.model, "DATA": request.data}
    if request.heatmaps is not None:
        if request.engine == "ray" or request.out_of_fold:
            raise InvalidInputError(
                "--heatmaps works in this process, by one model. Omit --engine ray and --out-of-fold."
            )
        check_heatmap_folder(request.heatmaps, inputs, request.data_dir)
    if request.out is not None and request.to_folder:
        check_output_folder("--out", request.out, [FIRST_PART], inputs, request.data_dir)
    else:
        check_outputs({"--out": request.out}, inputs, request.data_dir)


def _check_follows(request: ScoreRequest) -> None:
    """Raise for options that rows from stdin leave without an effect."""
    if (request.data, request.out, request.fdr, request.n_reasons, request.heatmaps) != (None,) * 5:
        raise InvalidInputError(
            "--follow reads stdin and answers on stdout. Omit DATA, --out, --fdr, --explain and --heatmaps, or --follow."
        )
    of_files = (request.label_column, request.image_size, request.skip_unreadable, request.batch_size, request.workers)
    if any(of_files) or request.engine != "local" or replace(request.csv, missing=()) != DEFAULT_CSV_OPTIONS:
        raise InvalidInputError(
            "--follow reads rows of JSON one by one, where --missing is the only option of files that applies. Omit the "
            "others, such as --label-column and --delimiter, or --follow."
        )


# -- one table ---------------------------------------------------------------------------------------------------------


def _score_to_table(
    request: ScoreRequest, scorer: Scorer, source: Source, output: OutputColumns, score_terms: ScoreTerms
) -> _Summary:
    """Score everything into one file or to stdout, or keep the scores if they are printed as JSON."""
    keep = request.as_json and request.out is None
    stream = source.stream()
    batches = _score_batches(scorer, stream, output, score_terms)
    if request.fdr is not None:
        batches = iter([_with_discoveries(join_columns(list(batches)), request.fdr)])
    summary = _Summary(batches=[] if keep else None)
    with nullcontext() if keep else open_score_table(request.out) as table:
        for columns in batches:
            if table is not None:
                table.write(columns)
            if summary.batches is not None:
                summary.batches.append(columns)
            summary.add(len(columns["anomaly"]), int(columns["anomaly"].sum()))
            if request.fdr is not None:
                summary.discoveries = int(columns["discovery"].sum())
    summary.unreadable = stream.unreadable
    return summary


def _score_batches(scorer: Scorer, stream: Stream, output: OutputColumns, score_terms: ScoreTerms) -> Iterator[Columns]:
    """Score a stream batch by batch and show progress."""
    with progress("Scoring", stream.n_rows, unit="rows") as advance:
        for batch in stream.batches:
            yield score_columns(scorer, batch, output, advance, score_terms)


def _with_discoveries(columns: Columns, fdr: float) -> Columns:
    """Insert the column of discoveries after the column of anomalies."""
    extended: Columns = {}
    for name, values in columns.items():
        extended[name] = values
        if name == "anomaly":
            extended["discovery"] = calibration.benjamini_hochberg(columns["p_value"], fdr)
    return extended


# -- a folder of parts -------------------------------------------------------------------------------------------------


def _score_to_folder(
    request: ScoreRequest, scorer: Scorer, source: Source, output: OutputColumns, score_terms: ScoreTerms
) -> _Summary:
    """Score into a folder of parts, without those that exist already."""
    assert request.out is not None
    stream = source.stream()
    if request.engine == "ray" and stream.partitions is None:
        raise InvalidInputError("--engine ray reads Parquet files and images. Score other files with --engine local.")
    inputs: dict[str, Any] = {
        "files": source.file_stamps(),
        "label_column": request.label_column,
        "image_size": request.image_size,
        "batch_size": request.batch_size,
    }
    if request.heatmaps is not None:  # files of parts that exist have their heatmaps
        inputs["heatmaps"] = str(request.heatmaps)
    if request.csv != DEFAULT_CSV_OPTIONS:
        inputs["csv"] = asdict(request.csv)
    if request.columns != DEFAULT_COLUMN_OPTIONS:
        inputs["columns"] = asdict(request.columns)
    busy = f"Another job is writing scores to '{request.out}'. Wait until it ends, or choose another folder."
    with locked_folder(request.out, busy):
        folder = ScoreFolder(request.out, request.model, inputs | asdict(output))
        if request.engine == "ray":
            summary = _write_parts_on_ray(request, stream, output, folder)
        else:
            summary = _write_parts(scorer, stream, output, folder, score_terms)
    summary.unreadable = stream.unreadable
    if not summary.rows:
        raise InvalidInputError(f"'{source.given}' must hold rows or images that can be read, got none.")
    return summary


def _write_parts(
    scorer: Scorer, stream: Stream, output: OutputColumns, folder: ScoreFolder, score_terms: ScoreTerms
) -> _Summary:
    """Write the missing parts in this process."""
    summary = _Summary()
    with progress("Scoring", stream.n_rows, unit="rows") as advance:
        for path, batches in folder.files(stream):
            exists = path.exists()
            if not exists:
                write_scores(path, scorer, batches, output, advance, score_terms)
            counts = count_rows(path)
            if exists:
                advance(counts[0], earlier=True)
            summary.add(*counts)
    return summary


def _write_parts_on_ray(request: ScoreRequest, stream: Stream, output: OutputColumns, folder: ScoreFolder) -> _Summary:
    """Write the missing parts on workers of Ray."""
    from egbad.distributed import score_partitions  # imports torch

    assert stream.partitions is not None
    paths = [folder.path(number) for number in range(len(stream.partitions))]
    missing = [(path, partition) for path, partition in zip(paths, stream.partitions, strict=True) if not path.exists()]
    with progress("Scoring", stream.n_rows, unit="rows") as advance:
        advance((stream.n_rows or 0) - sum(partition.n_rows for _, partition in missing), earlier=True)
        for n_rows, unreadable in score_partitions(request.model, missing, output, request.workers):
            stream.unreadable += unreadable
            advance(n_rows)
    summary = _Summary()
    for path in paths:
        summary.add(*count_rows(path))
    return summary


# -- the summary -------------------------------------------------------------------------------------------------------


def _print_summary(request: ScoreRequest, summary: _Summary, threshold: float) -> None:
    """Print counts as a sentence on stderr, or as JSON with the scores that were kept."""
    flagged_fraction = summary.flagged / summary.rows
    if not request.as_json:
        target = f", written to {request.out}" if request.out else ""
        target += f", heatmaps in {request.heatmaps}" if request.heatmaps else ""
        note(f"{count_of(summary.rows, 'row')}, {summary.flagged:,} flagged ({flagged_fraction:.2%}){target}.")
        return
    values: dict[str, Any] = {"rows": summary.rows, "flagged": summary.flagged}
    if summary.discoveries is not None:
        values["discoveries"] = summary.discoveries
    if request.skip_unreadable:
        values["skipped"] = list(summary.unreadable)
    values |= {
        "flagged_share": flagged_fraction,
        "threshold": threshold,
        "out": str(request.out) if request.out else None,
    }
    if request.heatmaps is not None:
        values["heatmaps"] = str(request.heatmaps)
    if summary.batches:
        values["scores"] = list(to_records(join_columns(summary.batches)))
    print_json(values)
