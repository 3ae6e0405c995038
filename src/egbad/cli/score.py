"""The command `egbad score`."""

from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from egbad.cli.column_options import ColumnArgument, with_output_column_options
from egbad.cli.config_file import with_config
from egbad.cli.csv_options import CsvArgument, spool_stdin, with_csv_options
from egbad.cli.option_groups import add_options
from egbad.cli.options import (
    AsJson,
    DataDir,
    Engine,
    Explain,
    ImageSize,
    LabelColumn,
    ModelFile,
    ScoreOutput,
    SkipUnreadable,
    Terms,
    Workers,
    check_fraction,
)

app = typer.Typer()

OptionalData = Annotated[
    str | None,
    typer.Argument(
        metavar="DATA",
        help="As for 'egbad fit': a file, a folder of tables or images, a pattern, or the name of a public data set.",
        show_default=False,
        callback=spool_stdin,
    ),
]
Alpha = Annotated[
    float | None,
    typer.Option(metavar="RATE", callback=check_fraction, help="False-alarm rate to flag at. Default: the model's."),
]
Fdr = Annotated[
    float | None,
    typer.Option(
        metavar="RATE",
        callback=check_fraction,
        help="Add a column of discoveries, of which at most this fraction is expected to be false.",
    ),
]
OutOfFold = Annotated[
    bool,
    typer.Option(
        "--out-of-fold",
        help="For rows that the model was trained on: score each by a copy of the model that is fitted to the others.",
    ),
]
Follow = Annotated[
    bool,
    typer.Option("--follow", help="Read rows from stdin, one JSON object or list per line, and answer each at once."),
]


BatchSize = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        min=1,
        help="Rows or images to read and score at a time. Default: 16384 rows, 1024 images, 32 with --heatmaps.",
    ),
]
Heatmaps = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        help="For images: write heatmaps to FOLDER/overlays and FOLDER/maps, named like the images.",
        show_default=False,
    ),
]


def _scoring_options(
    alpha: Alpha = None,
    fdr: Fdr = None,
    out_of_fold: OutOfFold = False,
    engine: Engine = "local",
    workers: Workers = None,
    batch_size: BatchSize = None,
    heatmaps: Heatmaps = None,
) -> None:
    """Declare options of the parameter `scoring`."""


@app.command()
@with_config
@with_csv_options
@with_output_column_options
@partial(add_options, declare=_scoring_options, argument="scoring", build=dict)
def score(
    model: ModelFile,
    data: OptionalData = None,
    out: ScoreOutput = None,
    terms: Terms = False,
    explain: Explain = None,
    follow: Follow = False,
    label_column: LabelColumn = None,
    image_size: ImageSize = None,
    skip_unreadable: SkipUnreadable = False,
    data_dir: DataDir = None,
    scoring: Any = None,
    csv: CsvArgument = None,
    selection: ColumnArgument = None,
    as_json: AsJson = False,
) -> None:
    """Score rows or images and flag anomalies: a higher score is more anomalous.

    Data may be larger than memory, except with --fdr, which needs all scores at once.

    With a folder as --out, scores are written in parts of about a million rows.

    The same command continues an interrupted job at the first missing part, and at the first missing heatmap.
    """
    from egbad.cli import run_score

    request = run_score.ScoreRequest(
        model=model,
        data=data,
        out=out,
        terms=terms,
        n_reasons=explain,
        follow=follow,
        label_column=label_column,
        image_size=image_size,
        skip_unreadable=skip_unreadable,
        data_dir=data_dir,
        **scoring,
        csv=csv,
        columns=selection,
        as_json=as_json,
    )
    if request.out_of_fold:
        from egbad.cli import run_detect  # imports torch, which an exported graph does not need

        run_detect.run_out_of_fold(request)
    else:
        run_score.run_score(request)
