"""TODO."""

from pathlib import Path
from typing import Annotated

import typer

ModelFile = Annotated[
    Path, typer.Argument(metavar="MODEL", help="A file that 'egbad fit' or 'egbad export' wrote.", show_default=False)
]


DataSource = Annotated[
    str,
    typer.Argument(
        metavar="DATA",
        help="A .csv, .parquet, .npz or .npy file, a folder of images, or a name from 'egbad data list'.",
        show_default=False,
    ),
]


AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


LabelColumn = Annotated[
    str | None,
    typer.Option(help="The column that holds labels, a key of a .npz, or 'folder' for images sorted into folders."),
]


Normal = Annotated[str | None, typer.Option(metavar="LABEL", help="The label of normal rows.")]


Columns = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="JSON that says what columns of a table hold, where their types don't: number, boolean, category or time.",
    ),
]


ImageSize = Annotated[
    str | None,
    typer.Option(
        metavar="HxW", help="Bring the images of a folder to this size (default: the model's, or the median)."
    ),
]


SkipBad = Annotated[bool, typer.Option("--skip-bad", help="Leave out images that can't be read, and name them.")]


ENGINES = ("local", "ray")


DataDir = Annotated[Path | None, typer.Option(help="A local copy of the public data sets (or set EGBAD_DATA).")]
