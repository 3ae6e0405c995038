"""Types of the arguments and options that several commands share, and their checks."""

from collections.abc import Collection
from pathlib import Path
from typing import Annotated

import typer

from egbad.cli.csv_options import spool_stdin
from egbad.errors import InvalidInputError, unknown

ENGINES = ("local", "ray")


def check_fraction(parameter: typer.CallbackParam, value: float | None) -> float | None:
    """Return an option's value if it lies in (0, 1) or is missing, and raise otherwise."""
    if value is not None and not 0 < value < 1:
        raise InvalidInputError(f"{parameter.name} must be in (0, 1), got {value}.")
    return value


def check_engine(engine: str) -> str:
    """Return the name of an engine if there is one, and raise with the nearest name otherwise."""
    if engine not in ENGINES:
        raise unknown("engine", engine, ENGINES)
    return engine


def check_suffix(path: Path, suffixes: Collection[str], content: str) -> None:
    """Raise if the name of a file to write does not end in one of the suffixes."""
    if path.suffix.lower() not in suffixes:
        raise InvalidInputError(f"The file name of {content} must end in {', '.join(suffixes)}, got '{path.name}'.")


def split_names(text: str) -> list[str]:
    """Split names that are separated by commas.

    >>> split_names("knn, pca,")
    ['knn', 'pca']
    """
    return [name.strip() for name in text.split(",") if name.strip()]


# -- input -------------------------------------------------------------------------------------------------------------

ModelFile = Annotated[
    Path,
    typer.Argument(metavar="MODEL", help="A file written by 'egbad fit' or 'egbad export'.", show_default=False),
]
FittedModelFile = Annotated[
    Path, typer.Argument(metavar="MODEL", help="A file written by 'egbad fit'.", show_default=False)
]
ExplainingModelFile = Annotated[
    Path,
    typer.Argument(
        metavar="MODEL",
        help="A file written by 'egbad fit', or by 'egbad export' of a model that reconstructs images.",
        show_default=False,
    ),
]
DataSource = Annotated[
    str,
    typer.Argument(
        metavar="DATA",
        help="A .csv, .tsv, .parquet, .npz or .npy file, a folder of tables or images, a pattern such as 'days/*.parquet', or "
        "the name of a public data set ('egbad data list'); '-' reads standard input.",
        show_default=False,
        callback=spool_stdin,
    ),
]
LabelColumn = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Column that holds the labels; a key of a .npz file; 'folder' for images sorted into folders. The model "
        "remembers the column that 'egbad fit' was given.",
    ),
]
NormalLabel = Annotated[str | None, typer.Option(metavar="LABEL", help="Label of the normal rows.")]
ColumnTypesFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="JSON object of column names and types (number, boolean, category or time), for columns whose type in the "
        "file is not the right one, or roles (id, ignore or label).",
    ),
]
ImageSize = Annotated[
    str | None,
    typer.Option(
        metavar="HxW",
        help="Resize the images of a folder to this height and width. Default: the size that the model expects, or the "
        "median size.",
    ),
]
SkipUnreadable = Annotated[
    bool, typer.Option("--skip-unreadable", help="Skip images and folders that cannot be read, and list them.")
]
DataDir = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER", help="Folder with copies of the public data sets. Default: $EGBAD_DATA or the cache."
    ),
]

# -- detectors ---------------------------------------------------------------------------------------------------------

DetectorName = Annotated[
    str,
    typer.Option(metavar="NAME", help="Detector to fit. 'auto' is the blend for tables, small images or photographs."),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="Any parameter of the detector, for example training.learning_rate=1e-3. May be repeated.",
    ),
]
Seed = Annotated[int, typer.Option(min=0, help="Random seed. The same seed gives the same scores.")]

TileSize = Annotated[
    int | None,
    typer.Option(
        "--tile",
        metavar="PIXELS",
        help="Learn images at their full size by overlapping tiles of this height and width. The score of an image is that "
        "of its most anomalous tile.",
    ),
]

# -- execution and output ----------------------------------------------------------------------------------------------

ModelOutput = Annotated[Path, typer.Option(metavar="FILE", help="Model file to write.", show_default=False)]
Engine = Annotated[
    str,
    typer.Option(
        metavar="local|ray", callback=check_engine, help="Run in this process, or on workers of Ray (extra 'ray')."
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(min=1, help="Number of Ray workers. Default: one per core, or per GPU where 'fit' uses them."),
]
ScoreOutput = Annotated[
    Path | None,
    typer.Option(metavar="PATH", help="A .csv, .parquet or .jsonl file, or a folder of parts. Default: CSV on stdout."),
]
Terms = Annotated[bool, typer.Option("--terms", help="Add the terms that each score is the sum of.")]
Explain = Annotated[
    int | None,
    typer.Option(
        metavar="K",
        min=1,
        help="For each flagged row add the K columns, or regions of an image, with the largest shares of the score, and "
        "the values expected there.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]

# -- comparisons of detectors ------------------------------------------------------------------------------------------

ResultFolder = Annotated[
    Path,
    typer.Option(
        metavar="FOLDER",
        help="Folder for the runs and the report. The same command continues an interrupted comparison.",
        show_default=False,
    ),
]
DetectorNames = Annotated[
    str, typer.Option(metavar="A,B,C", help="Detectors to compare. Default: all. The baselines are always included.")
]
Seeds = Annotated[int, typer.Option(min=1, help="Runs per detector. Each seed has its own random split.")]
ParallelRuns = Annotated[
    int, typer.Option("--jobs", min=1, help="Runs at the same time. The cores are divided among them.")
]
TimeLimit = Annotated[
    float | None, typer.Option("--limit", metavar="SECONDS", min=1, help="Longest duration of a run.")
]
RetryFailed = Annotated[bool, typer.Option("--retry", help="Repeat runs that failed before.")]
