"""The command `egbad serve`."""

from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from egbad.cli.config_file import with_config
from egbad.cli.option_groups import add_options
from egbad.errors import InvalidInputError, require_extra, unknown

app = typer.Typer()

_ACCESS, _LIMITS, _SPEED, _STORE, _DEMO = "Access", "Limits", "Batches and threads", "Store of scores", "Demo"
_LOG_FORMATS = ("json", "text")
_KEEP = ("none", "flagged", "all")
_PACKAGES = ("fastapi", "uvicorn", "httptools", "prometheus_client", "structlog", "sqlalchemy", "alembic")


def _check_log_format(value: str) -> str:
    if value not in _LOG_FORMATS:
        raise unknown("log format", value, _LOG_FORMATS)
    return value


def _check_keep(value: str) -> str:
    if value not in _KEEP:
        raise unknown("choice of --keep", value, _KEEP)
    return value


Models = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="MODEL...",
        help="Files written by 'egbad fit' or 'egbad export'. 'payments@2.egbad' is served as version 2 of 'payments'.",
        show_default=False,
    ),
]
Host = Annotated[
    str,
    typer.Option(
        metavar="NAME", help="Address to listen on. Others than this machine need a token.", rich_help_panel=_ACCESS
    ),
]
Port = Annotated[
    int, typer.Option(min=0, max=65535, help="Port to listen on, 0 for any free one.", rich_help_panel=_ACCESS)
]
TokenFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Tokens, one per line after its role: score, review or admin. The token in EGBAD_TOKEN has the role admin.",
        rich_help_panel=_ACCESS,
    ),
]
InsecureNoToken = Annotated[
    bool,
    typer.Option("--insecure-no-token", help="Answer everyone who can reach the host.", rich_help_panel=_ACCESS),
]
ModelsDir = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", help="Folder that administrators may load models from.", rich_help_panel=_ACCESS),
]
MaxBody = Annotated[
    int, typer.Option(metavar="MIB", min=1, max=1024, help="Size of a request in MiB.", rich_help_panel=_LIMITS)
]
MaxRows = Annotated[int, typer.Option(metavar="N", min=1, help="Rows or images of a request.", rich_help_panel=_LIMITS)]
MaxPixels = Annotated[int, typer.Option(metavar="N", min=64, help="Pixels of an image.", rich_help_panel=_LIMITS)]
QueueRows = Annotated[
    int,
    typer.Option(
        metavar="N",
        min=1,
        help="Rows that wait or are being scored. Requests beyond it are answered by 503 and Retry-After.",
        rich_help_panel=_LIMITS,
    ),
]
Deadline = Annotated[
    float,
    typer.Option(metavar="SECONDS", min=0.1, max=600, help="Longest duration of a request.", rich_help_panel=_LIMITS),
]
LatencyBudget = Annotated[
    float,
    typer.Option(
        metavar="MS",
        min=0,
        max=10_000,
        help="Time that a request waits for others while a batch is scored. Nothing waits while no batch is scored.",
        rich_help_panel=_SPEED,
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        min=1,
        max=256,
        help="Threads that read and score. Default: one for each core, two at least.",
        rich_help_panel=_SPEED,
    ),
]
StoreUrl = Annotated[
    str | None,
    typer.Option(
        "--store",
        metavar="URL",
        help="Store every score before it is sent: a SQLite file, or postgresql://USER@HOST/DATABASE.",
        rich_help_panel=_STORE,
    ),
]
Keep = Annotated[
    str,
    typer.Option(
        metavar="none|flagged|all",
        callback=_check_keep,
        help="Rows and images to keep beside their scores.",
        rich_help_panel=_STORE,
    ),
]
Retention = Annotated[
    float | None,
    typer.Option(
        metavar="DAYS",
        min=0.001,
        max=100_000,
        help="Remove kept rows and images after this time. Default: never.",
        rich_help_panel=_STORE,
    ),
]
LogFormat = Annotated[
    str, typer.Option(metavar="json|text", callback=_check_log_format, help="Format of the log on stderr.")
]


Demo = Annotated[
    bool,
    typer.Option(
        "--demo",
        help="Train a model of handwritten digits first, and fill a queue to review, in less than a minute. Without --store, "
        "everything is removed at the end.",
        rich_help_panel=_DEMO,
    ),
]
Browser = Annotated[
    bool, typer.Option(help="With --demo, open the page where there is a browser.", rich_help_panel=_DEMO)
]


def _access_options(
    host: Host = "127.0.0.1",
    port: Port = 8080,
    token_file: TokenFile = None,
    insecure_no_token: InsecureNoToken = False,
    models_dir: ModelsDir = None,
) -> None:
    """Declare options of the parameter `access`."""


def _limit_options(
    max_body: MaxBody = 16,
    max_rows: MaxRows = 10_000,
    max_pixels: MaxPixels = 25_000_000,
    queue_rows: QueueRows = 50_000,
    deadline: Deadline = 10.0,
    latency_budget: LatencyBudget = 5.0,
    workers: Workers = None,
) -> None:
    """Declare options of the parameter `limits`."""


def _store_options(store: StoreUrl = None, keep: Keep = "none", retention: Retention = None) -> None:
    """Declare options of the parameter `storage`."""


@app.command()
@with_config
@partial(add_options, declare=_store_options, argument="storage", build=dict)
@partial(add_options, declare=_limit_options, argument="limits", build=dict)
@partial(add_options, declare=_access_options, argument="access", build=dict)
def serve(
    models: Models = None,
    access: Any = None,
    limits: Any = None,
    storage: Any = None,
    log_format: LogFormat = "json",
    demo: Demo = False,
    browser: Browser = True,
) -> None:
    """Answer requests for scores over HTTP, and show what was flagged on pages for people. '/api' describes the requests.

    Ctrl-C or SIGTERM ends the service after the requests that have begun.
    """
    require_extra("'egbad serve'", "serve", *_PACKAGES)
    from egbad.cli import run_serve

    if not models and not demo:
        raise InvalidInputError("Name at least one MODEL to serve, or look at --demo.")
    request = run_serve.ServeRequest(
        models=models or [], log_format=log_format, demo=demo, browser=browser, **access, **limits, **storage
    )
    run_serve.run_serve(request)
