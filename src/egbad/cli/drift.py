"""The command `egbad drift`."""

from typing import Annotated

import typer

from egbad.cli.column_options import ColumnArgument, with_column_options
from egbad.cli.csv_options import CsvArgument, with_csv_options
from egbad.cli.options import (
    AsJson,
    DataDir,
    DataSource,
    ImageSize,
    LabelColumn,
    ModelFile,
    Seed,
    SkipUnreadable,
    check_fraction,
)

app = typer.Typer()

Level = Annotated[
    float,
    typer.Option(
        metavar="RATE",
        callback=check_fraction,
        help="Probability of a false alarm: drift is reported although there is none.",
    ),
]
Alpha = Annotated[
    float | None,
    typer.Option(metavar="RATE", callback=check_fraction, help="False-alarm rate to flag at. Default: the model's."),
]
BatchSize = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        min=1,
        help="Rows or images to read at a time. Default: 16384 rows, 1024 images. The result is the same.",
    ),
]


@app.command()
@with_csv_options
@with_column_options
def drift(
    model: ModelFile,
    data: DataSource,
    level: Level = 0.01,
    alpha: Alpha = None,
    label_column: LabelColumn = None,
    image_size: ImageSize = None,
    skip_unreadable: SkipUnreadable = False,
    data_dir: DataDir = None,
    batch_size: BatchSize = None,
    seed: Seed = 0,
    csv: CsvArgument = None,
    selection: ColumnArgument = None,
    as_json: AsJson = False,
) -> None:
    """Compare new rows or images, in their order, with those that set the threshold of a model.

    The exit code is 0 without drift, 4 if there are only more anomalies, and 3 if the data has changed otherwise: 'egbad
    recalibrate' or a new fit is due. Errors end with 2 or 1, as for all commands.

    Data may be larger than memory. The rows must be new to the model.
    """
    from egbad.cli import inputs, run_drift

    columns = inputs.column_selection(selection)
    source = inputs.Source(
        data,
        label_column,
        image_size,
        data_dir,
        skip_unreadable=skip_unreadable,
        batch_size=batch_size,
        csv=csv,
        columns=columns,
    )
    code = run_drift.run_drift(model, source, level=level, alpha=alpha, seed=seed, as_json=as_json)
    if code:
        raise typer.Exit(code)
