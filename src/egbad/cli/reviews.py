"""The commands `egbad reviews export` and `egbad reviews summary`."""

from pathlib import Path
from types import ModuleType
from typing import Annotated

import typer

from egbad.cli.app import print_help_if_bare
from egbad.cli.options import AsJson, check_fraction
from egbad.cli.store import StoreUrl
from egbad.errors import require_extra

app = typer.Typer(help="Export and summarize the reviews of a service's store.")

ModelName = Annotated[str | None, typer.Option("--model", metavar="NAME", help="Only items of this model.")]
Digest = Annotated[
    str | None, typer.Option("--digest", metavar="TEXT", help="Only items of the model file with this digest.")
]
Since = Annotated[
    str | None,
    typer.Option(
        "--since", metavar="TIME", help="Only items from this time on, in ISO 8601. Without a zone it is UTC."
    ),
]
LabelledOutput = Annotated[
    Path,
    typer.Option(
        metavar="PATH",
        help="A .csv or .parquet file; for images a new folder, with one folder for each label.",
        show_default=False,
    ),
]
Unflagged = Annotated[
    int,
    typer.Option(
        metavar="N", min=0, help="Add the newest N items that are kept and were not flagged, with the label 'normal'."
    ),
]
NewLabelColumn = Annotated[str, typer.Option(metavar="NAME", help="Name of the column of labels to write.")]
Rate = Annotated[
    float, typer.Option(metavar="RATE", callback=check_fraction, help="False-alarm rate to compute a threshold for.")
]


@app.callback(invoke_without_command=True)
def _reviews(context: typer.Context) -> None:
    print_help_if_bare(context)


def _work() -> ModuleType:
    """Return the module that does the work, which needs an extra."""
    require_extra("'egbad reviews'", "serve", "sqlalchemy", "alembic")
    from egbad.cli import run_reviews

    return run_reviews


@app.command()
def export(
    store: StoreUrl,
    out: LabelledOutput,
    unflagged: Unflagged = 0,
    label_column: NewLabelColumn = "label",
    model: ModelName = None,
    digest: Digest = None,
    since: Since = None,
    as_json: AsJson = False,
) -> None:
    """Write the reviewed items with the label 'anomaly' if they are confirmed, and 'normal' if they are dismissed.

    The table has the columns of the rows where the service keeps them, and else the key, the score and the p-value. 'egbad tune
    --normal normal' and 'egbad recalibrate --normal normal' read it.
    """
    run = _work()
    where = run.parse_filter(model, digest, since)
    run.export(store, out, where, n_unflagged=unflagged, label_column=label_column, as_json=as_json)


@app.command()
def summary(
    store: StoreUrl,
    rate: Rate = 0.01,
    model: ModelName = None,
    digest: Digest = None,
    since: Since = None,
    as_json: AsJson = False,
) -> None:
    """Summarize the reviews of each model: precision with its 95% interval, and a threshold for a false-alarm rate.

    The interval and the threshold assume that the reviewed flags are a random sample of all flags, and the threshold that items
    that were not flagged are normal.
    """
    run = _work()
    run.summarize(store, run.parse_filter(model, digest, since), rate=rate, as_json=as_json)
