"""The command `egbad evaluate`."""

from pathlib import Path
from typing import Annotated

import typer

from egbad.cli.command_line import command_line
from egbad.cli.options import AsJson, DataDir, DataSource, ImageSize, LabelColumn, ModelFile, NormalLabel
from egbad.cli.output import check_writable

app = typer.Typer()

HtmlReport = Annotated[Path | None, typer.Option(metavar="FILE", help="Write an HTML page with curves and histograms.")]


@app.command()
def evaluate(
    context: typer.Context,
    model: ModelFile,
    data: DataSource,
    label_column: LabelColumn = None,
    normal: NormalLabel = None,
    report: HtmlReport = None,
    image_size: ImageSize = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Measure how well a model separates anomalies from normal rows in labelled data.

    If labels are numbers, 0 is normal and everything else is an anomaly. Text labels need --normal.
    """
    if report is not None:
        check_writable(report)
    from egbad.cli import inputs, run_evaluate

    source = inputs.Source(data, label_column, image_size, data_dir)
    evaluation = run_evaluate.evaluate(model, source, normal)
    if report is not None:
        run_evaluate.write_report(evaluation, report, command_line(context))
    run_evaluate.print_evaluation(evaluation, report, as_json=as_json)
