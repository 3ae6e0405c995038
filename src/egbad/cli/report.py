"""The command `egbad report`."""

from pathlib import Path
from typing import Annotated

import typer

from egbad.cli.column_options import ColumnArgument, with_column_options
from egbad.cli.command_line import command_line
from egbad.cli.csv_options import CsvArgument, with_csv_options
from egbad.cli.options import (
    AsJson,
    DataDir,
    DataSource,
    ExplainingModelFile,
    ImageSize,
    LabelColumn,
    SkipUnreadable,
    check_suffix,
)
from egbad.cli.output_check import check_outputs

app = typer.Typer()

REPORT_FORMATS = (".html", ".md", ".json")
MAX_EXPLAINED = 1000  # rows or images

ReportOutput = Annotated[Path, typer.Option(metavar="FILE", help="A .html, .md or .json file.")]
Top = Annotated[int, typer.Option(min=1, max=MAX_EXPLAINED, help="Number of the highest scores to show one by one.")]
Explain = Annotated[int, typer.Option(metavar="K", min=1, help="Number of columns that explain each score.")]
Language = Annotated[str, typer.Option(metavar="en|ja", help="Language of the report.")]


@app.command()
@with_csv_options
@with_column_options
def report(
    context: typer.Context,
    model: ExplainingModelFile,
    data: DataSource,
    out: ReportOutput = Path("report.html"),
    top: Top = 20,
    explain: Explain = 3,
    language: Language = "en",
    label_column: LabelColumn = None,
    image_size: ImageSize = None,
    skip_unreadable: SkipUnreadable = False,
    data_dir: DataDir = None,
    csv: CsvArgument = None,
    selection: ColumnArgument = None,
    as_json: AsJson = False,
) -> None:
    """Report what a model finds in data: what is flagged, why, and what flagged rows have in common.

    The highest scores are explained, at most a thousand of them. Data may be larger than memory.
    """
    check_suffix(out, REPORT_FORMATS, "a report")
    check_outputs({"--out": out}, {"MODEL": model, "DATA": data}, data_dir)
    from egbad.cli import inputs, run_report

    columns = inputs.column_selection(selection)
    source = inputs.Source(
        data, label_column, image_size, data_dir, None, None, skip_unreadable, csv=csv, columns=columns
    )
    run_report.report(
        model,
        source,
        out,
        n_top=top,
        n_reasons=explain,
        max_explained=MAX_EXPLAINED,
        language=language,
        command=command_line(context),
        as_json=as_json,
    )
