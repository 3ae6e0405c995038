"""The command `egbad detect`."""

from dataclasses import replace
from typing import Annotated

import typer

from egbad.cli.column_options import ColumnArgument, with_output_column_options
from egbad.cli.options import (
    AsJson,
    ColumnTypesFile,
    DataDir,
    DataSource,
    DetectorName,
    Explain,
    ImageSize,
    LabelColumn,
    ScoreOutput,
    Seed,
    Settings,
    SkipUnreadable,
    Terms,
    TileSize,
    check_fraction,
)
from egbad.cli.output_check import check_outputs

app = typer.Typer()

Contamination = Annotated[
    float,
    typer.Option(
        metavar="SHARE", callback=check_fraction, help="Share of the rows to flag, those with the highest scores."
    ),
]
Folds = Annotated[int, typer.Option(min=2, help="Number of models. Each scores the rows that it did not learn from.")]


@app.command()
@with_output_column_options
def detect(
    data: DataSource,
    out: ScoreOutput = None,
    detector: DetectorName = "auto",
    contamination: Contamination = 0.1,
    folds: Folds = 5,
    terms: Terms = False,
    explain: Explain = None,
    seed: Seed = 0,
    settings: Settings = None,
    label_column: LabelColumn = None,
    columns: ColumnTypesFile = None,
    image_size: ImageSize = None,
    tile: TileSize = None,
    skip_unreadable: SkipUnreadable = False,
    data_dir: DataDir = None,
    selection: ColumnArgument = None,
    as_json: AsJson = False,
) -> None:
    """Find the anomalies among the rows of one table or the images of one folder, without normal data to learn from.

    Each row is scored by a model that learned from other rows. A p-value is the share of rows with a score as high.

    Labels are neither learned nor needed. All rows are read into memory. No model is written: see 'egbad fit'.
    """
    check_outputs({"--out": out}, {"DATA": data, "--columns": columns}, data_dir)
    from egbad.cli import inputs, parameters, run_detect

    learner = parameters.create_detector(detector, settings, {"random_state": seed}, tile)
    source = inputs.training_source(data, label_column, image_size, data_dir, columns, skip_unreadable, tile, learner)
    request = run_detect.DetectRequest(
        learner=learner,
        source=replace(source, columns=inputs.column_selection(selection)),
        out=out,
        contamination=contamination,
        folds=folds,
        terms=terms,
        n_reasons=explain,
        as_json=as_json,
    )
    run_detect.run_detect(request)
