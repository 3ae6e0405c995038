"""The command `egbad compare`."""

import typer

from egbad.cli.column_options import ColumnArgument, with_column_options
from egbad.cli.command_line import command_line
from egbad.cli.csv_options import CsvArgument, with_csv_options
from egbad.cli.options import (
    AsJson,
    DataDir,
    DataSource,
    DetectorNames,
    ImageSize,
    LabelColumn,
    NormalLabel,
    ParallelRuns,
    ResultFolder,
    RetryFailed,
    Seeds,
    TimeLimit,
    split_names,
)
from egbad.cli.output_check import RESULT_FILES, check_output_folder

app = typer.Typer()


@app.command()
@with_csv_options
@with_column_options
def compare(
    context: typer.Context,
    data: DataSource,
    out: ResultFolder,
    label_column: LabelColumn = None,
    normal: NormalLabel = None,
    detectors: DetectorNames = "",
    seeds: Seeds = 1,
    jobs: ParallelRuns = 1,
    limit: TimeLimit = None,
    retry: RetryFailed = False,
    image_size: ImageSize = None,
    data_dir: DataDir = None,
    csv: CsvArgument = None,
    selection: ColumnArgument = None,
    as_json: AsJson = False,
) -> None:
    """Compare detectors on your own data, with or without labels.

    With labels, detectors learn from half of the normal rows and are measured on all other rows.

    Without labels, they learn from a random half, and the report compares how they rank the other half.

    Detectors that take images of any size get them at their own size; for all others, images are resized to their median size, at
    most 128 pixels a side. --image-size sets the size for all.
    """
    check_output_folder("--out", out, RESULT_FILES, {"DATA": data}, data_dir)
    from egbad.cli import inputs, run_benchmark

    run_benchmark.compare(
        inputs.Source(data, label_column, image_size, data_dir, csv=csv, columns=inputs.column_selection(selection)),
        normal,
        detectors=split_names(detectors),
        seeds=seeds,
        options=run_benchmark.RunOptions(out, jobs, limit, retry, data_dir, as_json),
        command=command_line(context),
    )
