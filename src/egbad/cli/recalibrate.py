"""The command `egbad recalibrate`."""

from typing import Annotated

import typer

from egbad.cli.column_options import ColumnArgument, with_column_options
from egbad.cli.csv_options import CsvArgument, with_csv_options
from egbad.cli.options import (
    AsJson,
    DataDir,
    DataSource,
    FittedModelFile,
    ImageSize,
    LabelColumn,
    ModelOutput,
    NormalLabel,
    SkipUnreadable,
    check_fraction,
)
from egbad.cli.output_check import check_outputs

app = typer.Typer()

Alpha = Annotated[
    float | None,
    typer.Option(
        metavar="RATE",
        callback=check_fraction,
        help="False-alarm rate: the fraction of normal rows that may be flagged. Default: that of the model.",
    ),
]


@app.command()
@with_csv_options
@with_column_options
def recalibrate(
    model: FittedModelFile,
    data: DataSource,
    out: ModelOutput,
    alpha: Alpha = None,
    label_column: LabelColumn = None,
    normal: NormalLabel = None,
    image_size: ImageSize = None,
    skip_unreadable: SkipUnreadable = False,
    data_dir: DataDir = None,
    csv: CsvArgument = None,
    selection: ColumnArgument = None,
    as_json: AsJson = False,
) -> None:
    """Set the threshold and the p-values of a model anew by recent normal rows or images, without training.

    Use it where normal rows have changed, for example with light and place of photographs: some 20 images are enough for
    '--alpha 0.05'. All rows must be normal, or with --normal those with that label, and new to the model. Scores do not change.
    """
    check_outputs({"--out": out}, {"MODEL": model, "DATA": data}, data_dir)
    from egbad.cli import inputs, run_recalibrate

    columns = inputs.column_selection(selection)
    source = inputs.Source(
        data, label_column, image_size, data_dir, skip_unreadable=skip_unreadable, csv=csv, columns=columns
    )
    run_recalibrate.recalibrate(model, source, out, alpha=alpha, normal=normal, as_json=as_json)
