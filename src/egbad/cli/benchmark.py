"""The commands that set detectors beside each other: on public data, and on the user's own."""

import shlex
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from egbad.cli import inputs, output
from egbad.cli.app import app
from egbad.cli.options import AsJson, DataDir, DataSource, ImageSize, LabelColumn, Normal
from egbad.errors import EgbadError, InvalidInputError, StoppedError

if TYPE_CHECKING:
    from egbad.benchmark.columns import PageHeader
    from egbad.benchmark.jobs import Job, RunRecord
    from egbad.benchmark.statistics import RankAgreement

Detectors = Annotated[
    str, typer.Option(metavar="A,B,C", help="Which detectors (default: all); the naive baselines always runner.")
]
Seeds = Annotated[int, typer.Option(min=1, help="Runs of each; every seed has its own split where that is random.")]
Jobs = Annotated[int, typer.Option(min=1, help="Runs at the same time; the cores are divided among them.")]
Limit = Annotated[float | None, typer.Option(min=1, help="Seconds that a run may take.")]
Retry = Annotated[bool, typer.Option("--retry", help="Do again what failed before.")]
Folder = Annotated[Path, typer.Option(help="A folder for the runs and the report; the same again goes on.")]

_ON_SCREEN = {"average_precision", "rank_average_precision", "auroc", "rank_auroc", "f1", "flagged_1", "fit_seconds"}


@app.command()
def benchmark(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="kdd99, kdd99_rev, arrhythmia, adbench, digits, mnist, mnist_10k, mnist_one_normal, "
            "fashion_mnist, fashion_mnist_one_normal, cifar10 or magnetic_tile.",
            show_default=False,
        ),
    ],
    out: Folder,
    protocol: Annotated[
        str, typer.Option(help="clean, paper or released (the papers' code with its faults).")
    ] = "clean",
    detectors: Detectors = "",
    seeds: Seeds = 1,
    jobs: Jobs = 1,
    limit: Limit = None,
    retry: Retry = False,
    tasks: Annotated[str, typer.Option(metavar="WORDS", help="Only tasks whose name holds one of A,B,C.")] = "",
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Run detectors on public data under a named protocol, and write what came of it as HTML, Markdown and JSON.

    Every finished run is a line in OUT/runs.jsonl: a benchmark that was stopped goes on where it was.
    """
    from egbad.benchmark import suites
    from egbad.benchmark.columns import PageHeader
    from egbad.benchmark.jobs import make_jobs

    suite = suites.find_suite(name, protocol)
    entries = suites.select_variants(_listed(detectors), images=suite.images)
    chosen = [t for t in suite.tasks(protocol, data_dir) if not tasks or any(w in t.name for w in _listed(tasks))]
    if not chosen:
        raise InvalidInputError(
            f"Of the tasks of '{name}' none is called by '{tasks}'. Leave --tasks out to see them all."
        )
    head = PageHeader(suite.title, protocol, suites.PROTOCOLS[protocol], _command())
    todo = make_jobs(chosen, entries, seeds)
    lines = _run(todo, out, jobs=jobs, limit=limit, retry=retry, data_dir=data_dir, quiet=as_json)
    _tell(lines, head, out, as_json)


@app.command()
def compare(
    data: DataSource,
    out: Folder,
    label_column: LabelColumn = None,
    normal: Normal = None,
    detectors: Detectors = "",
    seeds: Seeds = 1,
    jobs: Jobs = 1,
    limit: Limit = None,
    retry: Retry = False,
    image_size: ImageSize = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Set detectors beside each other on DATA.

    With labels, half of the normal rows train, and all others are told apart. Without, a random half trains; shown is how
    alike the detectors order the other half, how much they flag, and which rows each finds the most anomalous.
    """
    from egbad.benchmark import suites
    from egbad.benchmark.columns import PageHeader
    from egbad.benchmark.jobs import make_jobs

    found = inputs.Source(data, label_column, image_size, data_dir).read()
    anomalous = None
    if label_column is not None or normal is not None:
        anomalous = ~inputs.normal_rows(found.labels, normal)
    elif found.labels is not None:
        output.note("The labels of the data are not used; --normal LABEL or --label-column asks for it.")
    entries = suites.select_variants(_listed(detectors), images=found.x.ndim > 2)
    _make(out)
    name = Path(data).name
    head = PageHeader(f"Detectors on {name}", "clean", suites.PROTOCOLS["clean"], _command(), row_names=found.files)
    with tempfile.TemporaryDirectory(dir=out, prefix=".data-") as store:
        task = suites.user_task(name, found, anomalous, Path(store) / "data.npz")
        todo = make_jobs([task], entries, seeds)
        scores = out / "scores" if anomalous is None else None
        lines = _run(todo, out, jobs=jobs, limit=limit, retry=retry, data_dir=None, quiet=as_json, keep_scores=scores)
    if scores is not None:
        head = replace(head, agreement=_agreement(todo, scores))
    _tell(lines, head, out, as_json)


def _listed(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _command() -> str:
    return shlex.join(["egbad", *sys.argv[1:]])


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EgbadError(f"'{folder}' can't be made: {error.strerror}. Give another folder.") from error


def _run(
    todo: Sequence["Job"],
    out: Path,
    *,
    jobs: int,
    limit: float | None,
    retry: bool,
    data_dir: Path | None,
    quiet: bool,
    keep_scores: Path | None = None,
) -> list["RunRecord"]:
    """All runs, with progress; what was finished is kept whatever happens."""
    from egbad.benchmark import runner
    from egbad.benchmark.run_log import RunLog
    from egbad.progress import progress

    _make(out)
    if keep_scores is not None:
        _make(keep_scores)
    runs = RunLog(out)
    left = runner.pending_jobs(todo, runs, retry=retry)
    if len(left) < len(todo) and not quiet:
        output.note(f"{len(todo) - len(left)} of {len(todo)} runs were done before.")
    with progress("Runs", len(left), unit="runs", enabled=not quiet) as advance:

        def done(line: "RunRecord") -> None:
            advance(1)
            if line["status"] == "failed" and not quiet:
                output.note(f"{line['task']}, {line['label']}, seed {line['seed']}: {line['reason']}")

        try:
            return runner.run_jobs(
                todo,
                runs,
                n_workers=jobs,
                timeout=limit,
                retry=retry,
                data_dir=data_dir,
                scores_dir=keep_scores,
                on_record=done,
            )
        except KeyboardInterrupt:
            kept = sum(job.key in runs.records for job in todo)
            raise StoppedError(
                f"Interrupted: {kept} of {len(todo)} runs are in {runs.path}, the same command goes on from there."
            ) from None


def _agreement(todo: Sequence["Job"], folder: Path) -> "RankAgreement | None":
    import numpy as np

    from egbad.benchmark.statistics import rank_agreement

    files = {job.variant.label: folder / job.scores_file_name for job in todo if job.seed == 0}
    return rank_agreement({label: np.load(file, allow_pickle=False) for label, file in files.items() if file.exists()})


def _tell(lines: Sequence["RunRecord"], head: "PageHeader", out: Path, as_json: bool) -> None:
    """Write the report, and show its first table."""
    from egbad.benchmark import columns, write
    from egbad.benchmark.summary import summarize

    if all(line["status"] == "failed" for line in lines):
        raise EgbadError(f"No run gave scores; the first failed so: {lines[0]['reason']}")
    summary = summarize(lines)
    files = write.write_results(out, head, summary)
    if as_json:
        output.show_json(write.to_json_dict(head, summary) | {"files": [str(file) for file in files]})
        return
    first = summary.tables[0]
    wanted = [
        c
        for c in (columns.OVERALL_COLUMNS if summary.overall else columns.table_columns(first))
        if c.metric in _ON_SCREEN
    ]
    rows = [
        (
            row.label,
            *(columns.format_cell(row.cells[c.metric], c)[0] if c.metric in row.cells else "-" for c in wanted),
        )
        for row in summary.overall or first.rows
    ]
    output.show_rows(head.title, ("detector", *(column.heading for column in wanted)), rows)
    output.note(f"Written: {', '.join(map(str, files))}")
