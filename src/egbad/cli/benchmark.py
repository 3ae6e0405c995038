"""The command `egbad benchmark`."""

from typing import Annotated

import typer

from egbad.cli.command_line import command_line
from egbad.cli.options import (
    AsJson,
    DataDir,
    DetectorNames,
    ParallelRuns,
    ResultFolder,
    RetryFailed,
    Seeds,
    TimeLimit,
    split_names,
)

app = typer.Typer()

SuiteName = Annotated[
    str,
    typer.Argument(
        metavar="NAME",
        help="kdd99, kdd99_rev, arrhythmia, adbench, oddbench, digits, mnist, mnist_10k, mnist_one_normal, fashion_mnist, "
        "fashion_mnist_one_normal, cifar10 or magnetic_tile; or a folder of tables as .npz files, or of images laid out as "
        "MVTec AD, or of such folders.",
        show_default=False,
    ),
]
Protocol = Annotated[
    str,
    typer.Option(
        metavar="clean|paper|released",
        help="'clean' has disjoint splits, 'paper' follows the papers, 'released' the papers' code with its errors.",
    ),
]
TaskFilter = Annotated[
    str, typer.Option(metavar="A,B,C", help="Run only tasks whose name contains one of these texts.")
]


@app.command()
def benchmark(
    context: typer.Context,
    name: SuiteName,
    out: ResultFolder,
    protocol: Protocol = "clean",
    detectors: DetectorNames = "",
    seeds: Seeds = 1,
    jobs: ParallelRuns = 1,
    limit: TimeLimit = None,
    retry: RetryFailed = False,
    tasks: TaskFilter = "",
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Compare detectors on public data, or on images with masks, and write the results as HTML, Markdown and JSON.

    Every finished run is saved in FOLDER/runs.jsonl. The same command continues an interrupted benchmark.
    """
    from egbad.cli import run_benchmark

    options = run_benchmark.RunOptions(out, jobs, limit, retry, data_dir, as_json)
    run_benchmark.check_results_folder(name, options)
    run_benchmark.benchmark(
        name,
        protocol,
        task_names=split_names(tasks),
        detectors=split_names(detectors),
        seeds=seeds,
        options=options,
        command=command_line(context),
    )
