"""The command `egbad fit`."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from egbad.cli.column_options import ColumnArgument, with_column_options
from egbad.cli.config_file import with_config
from egbad.cli.csv_options import CsvArgument, with_csv_options
from egbad.cli.options import (
    AsJson,
    ColumnTypesFile,
    DataDir,
    DataSource,
    DetectorName,
    Engine,
    ImageSize,
    LabelColumn,
    ModelOutput,
    NormalLabel,
    Seed,
    Settings,
    SkipUnreadable,
    TileSize,
    Workers,
    check_fraction,
)
from egbad.cli.output_check import check_outputs

app = typer.Typer()

Members = Annotated[int | None, typer.Option(min=1, help="Number of networks that train together and are averaged.")]
Alpha = Annotated[
    float | None,
    typer.Option(
        metavar="RATE",
        callback=check_fraction,
        help="False-alarm rate: the fraction of normal rows that may be flagged.",
    ),
]
MaxRows = Annotated[
    int | None,
    typer.Option(
        min=2, help="Learn from a random sample of at most this many rows or images. Default: 128 MiB of them."
    ),
]
InitFrom = Annotated[
    Path | None,
    typer.Option(
        metavar="MODEL", help="Start from the weights of an earlier model, for example when there is more data."
    ),
]
Resume = Annotated[bool, typer.Option("--resume", help="Continue a fit that was interrupted.")]
CheckpointInterval = Annotated[
    float, typer.Option("--checkpoint-every", metavar="SECONDS", min=0, help="Time between checkpoints for --resume.")
]
ReferenceBackbone = Annotated[
    bool,
    typer.Option(
        "--reference-backbone",
        help="Leave the weights of the backbone out of the model file. The same backbone must then be installed where the model "
        "is used; its digest is checked.",
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", help="Print neither progress nor a summary.")]


@app.command()
@with_config
@with_csv_options
@with_column_options
def fit(
    data: DataSource,
    out: ModelOutput,
    detector: DetectorName = "auto",
    members: Members = None,
    alpha: Alpha = None,
    seed: Seed = 0,
    settings: Settings = None,
    label_column: LabelColumn = None,
    normal: NormalLabel = None,
    columns: ColumnTypesFile = None,
    max_rows: MaxRows = None,
    image_size: ImageSize = None,
    tile: TileSize = None,
    skip_unreadable: SkipUnreadable = False,
    data_dir: DataDir = None,
    init_from: InitFrom = None,
    resume: Resume = False,
    checkpoint_every: CheckpointInterval = 60.0,
    engine: Engine = "local",
    workers: Workers = None,
    reference_backbone: ReferenceBackbone = False,
    quiet: Quiet = False,
    csv: CsvArgument = None,
    selection: ColumnArgument = None,
    as_json: AsJson = False,
) -> None:
    """Learn from normal rows or images, and write a model file.

    All rows count as normal, or with --normal those with that label. The label column is not learned.

    The same command with --resume continues an interrupted fit, and gives the same model, bit for bit.

    Processes that torchrun starts with this command train one model together.
    """
    check_outputs({"--out": out}, {"DATA": data, "--columns": columns, "--init-from": init_from}, data_dir)
    from egbad.cli import inputs, parameters, run_fit

    options = {"members": members, "alpha": alpha, "random_state": seed, "verbose": not (quiet or as_json)}
    learner = parameters.create_detector(detector, settings, options, tile)
    source = inputs.training_source(data, label_column, image_size, data_dir, columns, skip_unreadable, tile, learner)
    source = replace(source, csv=csv, columns=inputs.column_selection(selection))
    job = run_fit.FitJob(
        learner, source, out, normal, max_rows, seed, init_from, resume, checkpoint_every, reference_backbone
    )
    result = run_fit.fit_on_ray(job, workers) if engine == "ray" else run_fit.fit_here(job)
    if result is not None and not quiet:
        run_fit.print_summary(result, data, out, as_json=as_json)
