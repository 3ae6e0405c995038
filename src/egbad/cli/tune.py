"""The command `egbad tune`."""

from typing import Annotated

import typer

from egbad.cli.column_options import ColumnArgument, with_column_options
from egbad.cli.csv_options import CsvArgument, with_csv_options
from egbad.cli.options import (
    AsJson,
    DataDir,
    DataSource,
    DetectorName,
    ImageSize,
    LabelColumn,
    ModelOutput,
    NormalLabel,
    Seed,
)
from egbad.cli.output_check import check_outputs

app = typer.Typer()

Trials = Annotated[int, typer.Option(min=1, help="Number of parameter choices to try.")]
Folds = Annotated[int, typer.Option(min=2, help="Number of cross-validation folds.")]
Seconds = Annotated[
    float | None, typer.Option(metavar="SECONDS", min=0, help="Start no further trial after this time.")
]
FixedSettings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="A parameter to keep fixed. May be repeated."),
]


@app.command()
@with_csv_options
@with_column_options
def tune(
    data: DataSource,
    out: ModelOutput,
    detector: DetectorName = "auto",
    trials: Trials = 20,
    folds: Folds = 3,
    seconds: Seconds = None,
    seed: Seed = 0,
    settings: FixedSettings = None,
    label_column: LabelColumn = None,
    normal: NormalLabel = None,
    image_size: ImageSize = None,
    data_dir: DataDir = None,
    csv: CsvArgument = None,
    selection: ColumnArgument = None,
    as_json: AsJson = False,
) -> None:
    """Tune a detector's parameters on your own data, and write a model fitted with the best ones.

    All rows count as normal. Parameters are judged by how well held-out rows separate from synthetic anomalies.

    With --normal, the rows with other labels are the anomalies to judge by. They are never learned.

    Images of a folder keep their sizes if the detector takes any size. Otherwise they are resized to their median size, at most
    128 pixels a side. --image-size sets the size. Of a folder laid out as MVTec AD, train/good is read, and all with --normal.

    Needs the extra 'tune': pip install 'egbad[tune]'.
    """
    check_outputs({"--out": out}, {"DATA": data}, data_dir)
    from egbad.cli import inputs, run_tune

    columns = inputs.column_selection(selection)
    request = run_tune.TuneRequest(
        source=inputs.Source(data, label_column, image_size, data_dir, csv=csv, columns=columns),
        normal=normal,
        detector=detector,
        settings=settings,
        trials=trials,
        folds=folds,
        seconds=seconds,
        seed=seed,
        show_progress=not as_json,
    )
    run_tune.print_result(run_tune.tune_and_save(request, out), out, as_json=as_json)
