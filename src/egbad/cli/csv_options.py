"""Options that set the dialect of CSV files, and data from standard input."""

import shutil
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer

from egbad.cli.option_groups import add_options

_PANEL = "CSV files (detected by default)"
_STDIN = ("-", "/dev/stdin")
_PARQUET_MAGIC = b"PAR1"
GIVEN_DATA = "egbad.given_data"  # key of the context's `meta`: DATA as it was given

CsvArgument = Any  # a `CsvOptions`, which Typer cannot parse: see `with_csv_options`
Delimiter = Annotated[
    str | None,
    typer.Option(metavar="SIGN", help="Sign between cells, for example ';' or tab.", rich_help_panel=_PANEL),
]
Decimal = Annotated[
    str | None,
    typer.Option(
        metavar=".|,", help="Decimal mark of numbers. The other one may separate thousands.", rich_help_panel=_PANEL
    ),
]
Header = Annotated[
    bool | None,
    typer.Option(
        "--header/--no-header",
        help="The first line holds column names, or values of columns that are named column_1, column_2, ...",
        rich_help_panel=_PANEL,
    ),
]
Comment = Annotated[
    str | None,
    typer.Option(metavar="SIGN", help="Ignore lines that begin with this sign.", rich_help_panel=_PANEL),
]
Encoding = Annotated[
    str | None, typer.Option(metavar="NAME", help="Encoding of the text, for example latin-1.", rich_help_panel=_PANEL)
]
Missing = Annotated[
    list[str] | None,
    typer.Option(
        metavar="TEXT",
        help="Cells with this text have no value. May be repeated. In columns of numbers, NA, null, - and the like "
        "never have one.",
        rich_help_panel=_PANEL,
    ),
]


def _options(
    delimiter: Delimiter = None,
    decimal: Decimal = None,
    header: Header = None,
    comment: Comment = None,
    encoding: Encoding = None,
    missing: Missing = None,
) -> None:
    """Declare the options."""


def with_csv_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of CSV files to a command.

    Parameters
    ----------
    command : callable
        Function with a parameter `csv`, which receives the options as one `CsvOptions`.

    Returns
    -------
    callable
        Function for Typer, with a parameter for each option instead.
    """
    return add_options(command, _options, "csv", _build)


def _build(missing: list[str] | None, **given: Any) -> Any:
    """Return the options as a `CsvOptions`."""
    from egbad.data.csv_options import CsvOptions  # imports pyarrow, which 'egbad --help' does not need

    return CsvOptions(**given, missing=tuple(missing or ())).check()


def spool_stdin(context: typer.Context, given: str | None) -> str | None:
    """Copy standard input to a temporary file if DATA is '-', and also a named pipe, because files are read twice.

    Parameters
    ----------
    context : typer.Context
        The file is deleted when its command ends.
    given : str or None
        DATA.

    Returns
    -------
    str or None
        DATA, or the path of the file.
    """
    if given is None or context.resilient_parsing or not (given in _STDIN or Path(given).is_fifo()):
        return given
    context.meta[GIVEN_DATA] = given
    folder = TemporaryDirectory(prefix="egbad-")
    context.call_on_close(folder.cleanup)
    path = Path(folder.name, "stdin.csv")
    with path.open("wb") as file, nullcontext(sys.stdin.buffer) if given in _STDIN else open(given, "rb") as pipe:
        shutil.copyfileobj(pipe, file)
    with path.open("rb") as file:
        is_parquet = file.read(len(_PARQUET_MAGIC)) == _PARQUET_MAGIC
    return str(path.rename(path.with_suffix(".parquet")) if is_parquet else path)
