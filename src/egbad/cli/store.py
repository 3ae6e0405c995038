"""The commands `egbad store upgrade` and `egbad store purge`."""

from types import ModuleType
from typing import Annotated

import typer

from egbad.cli.app import print_help_if_bare
from egbad.cli.options import AsJson
from egbad.errors import require_extra

app = typer.Typer(help="Maintain the store of a service.")

StoreUrl = Annotated[
    str,
    typer.Argument(
        metavar="STORE",
        help="The SQLite file of a service, or a URL such as postgresql://user@host/database.",
        show_default=False,
    ),
]
Days = Annotated[
    float,
    typer.Option(metavar="DAYS", min=0, help="Remove rows and images that were scored longer ago.", show_default=False),
]


@app.callback(invoke_without_command=True)
def _store(context: typer.Context) -> None:
    print_help_if_bare(context)


def _work() -> ModuleType:
    """Return the module that does the work, which needs an extra."""
    require_extra("'egbad store'", "serve", "sqlalchemy", "alembic")
    from egbad.cli import run_store

    return run_store


@app.command()
def upgrade(store: StoreUrl, as_json: AsJson = False) -> None:
    """Create the tables of a store, or upgrade them to this version of egbad.

    A service does the same when it starts. There is no way back but a backup: an older egbad refuses a newer store.
    """
    _work().upgrade_store(store, as_json=as_json)


@app.command()
def purge(store: StoreUrl, older_than: Days, as_json: AsJson = False) -> None:
    """Remove old rows and images. Scores and reviews stay."""
    _work().purge_store(store, older_than, as_json=as_json)
