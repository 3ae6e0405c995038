"""Options that leave columns of tables out or carry them to the output."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from egbad.cli.option_groups import add_options
from egbad.errors import InvalidInputError

_PANEL = "Columns of tables"
_ALL = "all"

ColumnArgument = Any  # a `ColumnOptions`, which Typer cannot parse: see `with_column_options`
Drop = Annotated[
    list[str] | None,
    typer.Option(
        metavar="COLUMN",
        help="Leave a column out. May be repeated. The model remembers columns that 'egbad fit' leaves out.",
        rich_help_panel=_PANEL,
    ),
]
IdColumn = Annotated[
    list[str] | None,
    typer.Option(
        metavar="COLUMN",
        help="A column that identifies the row: not learned, but written to scores and reports. May be repeated. The "
        "model remembers those of 'egbad fit'.",
        rich_help_panel=_PANEL,
    ),
]
KeepColumns = Annotated[
    str | None,
    typer.Option(
        metavar="all|A,B",
        help="Write these columns of the data next to the scores, as they are in the file.",
        rich_help_panel=_PANEL,
    ),
]


@dataclass(frozen=True)
class ColumnOptions:
    """Values of the options.

    Attributes
    ----------
    dropped, ids : tuple of str
    kept : tuple of str, optional
        None for all columns.
    """

    dropped: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    kept: tuple[str, ...] | None = ()

    @classmethod
    def parse(
        cls, drop: Sequence[str] | None = None, id_column: Sequence[str] | None = None, keep_columns: str | None = None
    ) -> "ColumnOptions":
        """Check the options of a command line.

        Raises
        ------
        InvalidInputError
            If a column is to be left out and to be an id.

        Examples
        --------
        >>> ColumnOptions.parse(["note"], ["customer"], "city, zip")
        ColumnOptions(dropped=('note',), ids=('customer',), kept=('city', 'zip'))
        """
        dropped, ids = (tuple(dict.fromkeys(names or ())) for names in (drop, id_column))
        if both := [name for name in dropped if name in ids]:
            raise InvalidInputError(f"A column must be named by --drop or by --id-column, got '{both[0]}' in both.")
        kept = tuple(name.strip() for name in (keep_columns or "").split(",") if name.strip())
        return cls(dropped, ids, None if kept == (_ALL,) else tuple(dict.fromkeys(kept)))


DEFAULT_COLUMN_OPTIONS = ColumnOptions()


def _input_options(drop: Drop = None, id_column: IdColumn = None) -> None:
    """Declare the options of commands that read tables."""


def _output_options(drop: Drop = None, id_column: IdColumn = None, keep_columns: KeepColumns = None) -> None:
    """Declare the options of commands that write tables of scores."""


def with_column_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add --drop and --id-column to a command.

    Parameters
    ----------
    command : callable
        Function with a parameter `selection`, which receives the options as one `ColumnOptions`.

    Returns
    -------
    callable
        Function for Typer, with a parameter for each option instead.
    """
    return add_options(command, _input_options, "selection", ColumnOptions.parse)


def with_output_column_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add --drop, --id-column and --keep-columns to a command, as `with_column_options` does.

    Parameters
    ----------
    command : callable

    Returns
    -------
    callable
    """
    return add_options(command, _output_options, "selection", ColumnOptions.parse)
