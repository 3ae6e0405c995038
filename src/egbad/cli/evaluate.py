"""The command `egbad evaluate`."""

from pathlib import Path
from typing import Annotated

import typer

from egbad.cli.column_options import ColumnArgument, with_column_options
from egbad.cli.command_line import command_line
from egbad.cli.csv_options import CsvArgument, with_csv_options
from egbad.cli.options import AsJson, DataDir, DataSource, ImageSize, LabelColumn, ModelFile, NormalLabel
from egbad.cli.output_check import check_outputs
from egbad.errors import InvalidInputError

app = typer.Typer()

Choose = Annotated[
    str | None,
    typer.Option(
        metavar="CRITERION",
        help="Choose a threshold on a random half of the rows, and measure it on the other half: f1 (the highest), "
        "precision=0.9 or recall=0.95 (at least), cost=20 (of a miss, in false alarms), flags=10/20000 (of the rows).",
    ),
]
SaveThreshold = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Write a new model file with the threshold that --choose chose."),
]
HtmlReport = Annotated[Path | None, typer.Option(metavar="FILE", help="Write an HTML page with curves and histograms.")]


@app.command()
@with_csv_options
@with_column_options
def evaluate(
    context: typer.Context,
    model: ModelFile,
    data: DataSource,
    label_column: LabelColumn = None,
    normal: NormalLabel = None,
    choose: Choose = None,
    save_threshold: SaveThreshold = None,
    report: HtmlReport = None,
    image_size: ImageSize = None,
    data_dir: DataDir = None,
    csv: CsvArgument = None,
    selection: ColumnArgument = None,
    as_json: AsJson = False,
) -> None:
    """Measure how well a model separates anomalies from normal rows in labelled data.

    Normal is the label that 'egbad fit' was given as --normal, otherwise 0. Text labels need one of the two.
    """
    outputs = {"--report": report, "--save-threshold": save_threshold}
    check_outputs(outputs, {"MODEL": model, "DATA": data}, data_dir)
    if save_threshold is not None and (choose is None or save_threshold.exists()):
        raise InvalidInputError(
            "--save-threshold writes what --choose chooses to a new model file. Name one that does not "
            "exist, and a criterion."
        )
    from egbad.cli import inputs, run_evaluate

    criterion = None if choose is None else run_evaluate.ThresholdCriterion.parse(choose)
    columns = inputs.column_selection(selection)
    source = inputs.Source(data, label_column, image_size, data_dir, csv=csv, columns=columns)
    evaluation = run_evaluate.evaluate(model, source, normal, criterion)
    if report is not None:
        run_evaluate.write_report(evaluation, report, command_line(context))
    run_evaluate.print_evaluation(evaluation, report, as_json=as_json)
    if save_threshold is not None:
        run_evaluate.save_with_threshold(evaluation, save_threshold)
