"""The work of `egbad benchmark` and `egbad compare`."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from egbad import datasets
from egbad.benchmark import columns, runner, suites, write
from egbad.benchmark.columns import PageHeader
from egbad.benchmark.comparison_text import comparison_title, printed_rows
from egbad.benchmark.external import EXTERNAL
from egbad.benchmark.jobs import Job, RunRecord, make_jobs
from egbad.benchmark.run_log import RunLog
from egbad.benchmark.statistics import RankAgreement, rank_agreement
from egbad.benchmark.summary import summarize
from egbad.benchmark.tasks import user_task
from egbad.cli.inputs import Source, normal_mask
from egbad.cli.output import note, print_json
from egbad.cli.output_check import RESULT_FILES, check_output_folder
from egbad.cli.tables import print_table
from egbad.data import Data
from egbad.data.arrow_columns import carried_cells
from egbad.detectors.base import Detector
from egbad.detectors.registry import create
from egbad.errors import EgbadError, InvalidInputError, StoppedError
from egbad.output_files import printable, scratch_folder
from egbad.progress import progress

# Columns of the reports that also appear on the screen.
_PRINTED = {
    *("average_precision", "rank_average_precision", "auroc", "rank_auroc", "f1", "flagged_1", "fit_seconds"),
    *("pixel_auroc", "pro", "peaks_in_masks"),
}


@dataclass(frozen=True)
class RunOptions:
    """Options of a comparison that do not change its results.

    Attributes
    ----------
    out : Path
        Folder for the runs and the report.
    jobs : int
        Runs at the same time.
    limit : float, optional
        Longest duration of a run, in seconds.
    retry : bool
        Repeat failed runs.
    data_dir : Path, optional
        Folder with copies of the public data sets.
    as_json : bool
        Print the results as JSON, and no progress.
    """

    out: Path
    jobs: int
    limit: float | None
    retry: bool
    data_dir: Path | None
    as_json: bool


def check_results_folder(name: str, options: RunOptions) -> None:
    """Raise if the results of a benchmark would overwrite data.

    Parameters
    ----------
    name : str
        Suite, or folder of tables or images.
    options : RunOptions

    Raises
    ------
    InvalidInputError
    """
    inputs = {known: known for known in (*datasets.names(), name)}
    check_output_folder("--out", options.out, RESULT_FILES, inputs, options.data_dir)


def benchmark(
    name: str,
    protocol: str,
    *,
    task_names: Sequence[str],
    detectors: Sequence[str],
    seeds: int,
    options: RunOptions,
    command: str,
) -> None:
    """Run a suite of data sets, and write and print the results.

    Parameters
    ----------
    name, protocol : str
        Suite and protocol.
    task_names : sequence of str
        Run only tasks whose name contains one of these; empty for all.
    detectors : sequence of str
        Empty for all.
    seeds : int
        Number of runs of each detector.
    options : RunOptions
    command : str
        Command line that repeats the benchmark.
    """
    suite = suites.find_suite(name, protocol)
    variants = suites.select_variants(detectors, images=suite.images, references=suite.references)
    tasks = suite.tasks(protocol, options.data_dir)
    chosen = [task for task in tasks if not task_names or any(text in task.name for text in task_names)]
    if not chosen:
        raise InvalidInputError(
            f"No task of '{name}' has a name that contains '{','.join(task_names)}'. Omit --tasks to run all of them."
        )
    header = PageHeader(suite.title, protocol, suites.PROTOCOLS[protocol], command)
    records = _run(make_jobs(chosen, variants, seeds), options)
    _write_and_print(records, header, options, suite.references)


def _row_names(data: Data) -> tuple[str, ...] | None:
    """Return the files of images, or the ids of rows, None if there are neither."""
    if data.carried is None:
        return data.files
    cells = [carried_cells(data.carried[name]) for name in data.carried.column_names]
    return tuple(" ".join("" if cell is None else str(cell) for cell in row) for row in zip(*cells, strict=True))


def compare(
    source: Source, normal: str | None, *, detectors: Sequence[str], seeds: int, options: RunOptions, command: str
) -> None:
    """Run detectors on a user's data, and write and print the results.

    Parameters
    ----------
    source : Source
    normal : str or None
        Label of the normal rows.
    detectors : sequence of str
        Empty for all.
    seeds : int
        Number of runs of each detector.
    options : RunOptions
    command : str
        Command line that repeats the comparison.
    """
    # Detectors that take images of one size decode them for themselves.
    data = replace(source, learners=_learners(detectors), whole=True, lazy=True).read()
    anomalous = None
    if source.label_column is not None or normal is not None:
        anomalous = ~normal_mask(data.labels, normal)
    elif data.labels is not None:
        note("The labels of the data are not used. Use --normal LABEL or --label-column to measure against them.")
    variants = suites.select_variants(detectors, images=data.x.ndim != 2)
    _make_folder(options.out)
    name = printable(Path(source.given).name)
    header = PageHeader(f"Detectors on {name}", "clean", suites.PROTOCOLS["clean"], command, row_names=_row_names(data))
    with scratch_folder(options.out, ".data-") as store:
        task = user_task(name, data, anomalous, store / "data.npz")
        jobs = make_jobs([task], variants, seeds)
        scores_dir = options.out / "scores" if anomalous is None else None
        records = _run(jobs, options, scores_dir)
    if scores_dir is not None:
        header = replace(header, agreement=_agreement(jobs, scores_dir))
    _write_and_print(records, header, options)


def _learners(names: Sequence[str]) -> list[Detector[Any]]:
    """Return the detectors of egbad that a comparison of images fits, not fitted; all if there are no names."""
    variants = suites.select_variants(names, images=True)
    return [create(one.detector, **one.parameters) for one in variants if one.detector not in EXTERNAL]


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EgbadError(f"Cannot create the folder '{folder}': {error.strerror}. Choose another folder.") from error


def _run(jobs: Sequence[Job], options: RunOptions, scores_dir: Path | None = None) -> list[RunRecord]:
    """Run all jobs that are not finished, with progress, and return the records of all."""
    for folder in filter(None, (options.out, scores_dir)):
        _make_folder(folder)
    show = not options.as_json
    log = RunLog(options.out)
    n_pending = len(runner.pending_jobs(jobs, log, retry=options.retry))
    if n_pending < len(jobs) and show:
        note(f"{len(jobs) - n_pending} of {len(jobs)} runs are already finished.")
    with progress("Runs", n_pending, unit="runs", enabled=show) as advance:

        def on_record(record: RunRecord) -> None:
            advance(1)
            if record["status"] == "failed" and show:
                note(f"{record['task']}, {record['label']}, seed {record['seed']}: {record['reason']}")

        try:
            return runner.run_jobs(
                jobs,
                log,
                n_workers=options.jobs,
                timeout=options.limit,
                retry=options.retry,
                data_dir=options.data_dir,
                scores_dir=scores_dir,
                on_record=on_record,
            )
        except KeyboardInterrupt:
            n_saved = sum(job.key in log.records for job in jobs)
            raise StoppedError(
                f"Interrupted: {n_saved} of {len(jobs)} runs are saved in {log.path}. The same command continues from there."
            ) from None


def _agreement(jobs: Sequence[Job], folder: Path) -> RankAgreement | None:
    """Compare the rankings of all detectors on the first seed."""
    files = {job.variant.label: folder / job.scores_file_name for job in jobs if job.seed == 0}
    return rank_agreement({label: np.load(file, allow_pickle=False) for label, file in files.items() if file.exists()})


def _write_and_print(
    records: Sequence[RunRecord], header: PageHeader, options: RunOptions, references: Sequence[str] = ()
) -> None:
    """Write the report, and print its first tables or everything as JSON."""
    if all(record["status"] == "failed" for record in records):
        raise EgbadError(f"No run gave scores. The first one failed with: {records[0]['reason']}")
    summary = summarize(records, references)
    files = write.write_results(options.out, header, summary)
    if options.as_json:
        print_json(write.to_json_dict(header, summary) | {"files": [str(file) for file in files]})
        return
    first = summary.tables[0]
    known = columns.overall_columns(summary.overall) if summary.overall else columns.table_columns(first)
    printed = [column for column in known if column.metric in _PRINTED]
    rows = [
        (
            row.label,
            *(columns.format_cell(row.cells[c.metric], c)[0] if c.metric in row.cells else "-" for c in printed),
        )
        for row in summary.overall or first.rows
    ]
    print_table(header.title, ("detector", *(column.heading for column in printed)), rows)
    for comparison in summary.comparisons:
        heading, *compared = printed_rows(comparison)
        print_table(comparison_title(comparison), heading, compared)
    note(f"Written: {', '.join(map(str, files))}")
