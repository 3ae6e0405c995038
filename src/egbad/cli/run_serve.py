"""The work of `egbad serve`."""

import sys
import warnings
from collections.abc import Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from egbad.cli.serve_demo import ServeDemo, open_browser, page_address
from egbad.data.worker_pool import available_cores
from egbad.errors import InvalidInputError
from egbad.service.server import Listen, make_service, serve
from egbad.service.settings import MIB, ServiceSettings
from egbad.service.store import Store, open_store

_MIN_WORKERS = 2  # one may score while another reads


@dataclass(frozen=True, kw_only=True)
class ServeRequest:
    """Arguments and options of `egbad serve`."""

    models: Sequence[Path]
    host: str
    port: int
    token_file: Path | None
    insecure_no_token: bool
    models_dir: Path | None
    max_body: int
    max_rows: int
    max_pixels: int
    queue_rows: int
    deadline: float
    latency_budget: float
    workers: int | None
    store: str | None
    keep: str
    retention: float | None
    log_format: str
    demo: bool
    browser: bool

    def settings(self) -> ServiceSettings:
        """Return the limits of the service."""
        return ServiceSettings(
            max_body=self.max_body * MIB,
            max_rows=self.max_rows,
            max_pixels=self.max_pixels,
            queue_rows=self.queue_rows,
            deadline=self.deadline,
            latency_budget=self.latency_budget / 1000,
            workers=self.workers or max(_MIN_WORKERS, available_cores()),
            models_dir=self.models_dir,
        )


def run_serve(request: ServeRequest) -> None:
    """Serve models until the process is told to end.

    Parameters
    ----------
    request : ServeRequest

    Raises
    ------
    EgbadError
        If a model or a token file cannot be read, or the port is in use.
    """
    settings = request.settings()
    if request.store is None and (request.keep != "none" or request.retention is not None):
        raise InvalidInputError("--keep and --retention are about a store. Name one with --store, or omit them.")
    listen = Listen(
        host=request.host, port=request.port, token_file=request.token_file, insecure=request.insecure_no_token
    )
    guard = listen.guard()
    with closing(listen.bind()) as listener, warnings.catch_warnings(), _folder(request) as folder:
        # Warnings about rows, such as a training row, would repeat on stderr what clients send.
        warnings.simplefilter("ignore")
        demo = ServeDemo.train(Path(folder)) if request.demo else None
        request = request if demo is None else _with_demo(request, demo)
        with _opened_store(request) as store:
            service = make_service(
                request.models, settings, log_format=request.log_format, store=store, keep=request.keep
            )
            if demo is not None and store is not None:
                flagged = demo.fill(service, store)
                _announce(page_address(*listener.getsockname()[:2]), flagged, browser=request.browser)
            serve(service, guard, listener)


def _folder(request: ServeRequest) -> AbstractContextManager[str]:
    """Return a folder for the demo as a context that removes it."""
    return TemporaryDirectory(prefix="egbad-") if request.demo else nullcontext("")


def _with_demo(request: ServeRequest, demo: ServeDemo) -> ServeRequest:
    """Return the request with the model of the demo and a store that keeps images."""
    return replace(
        request,
        models=[*request.models, demo.model],
        store=request.store or str(demo.model.with_name("reviews.db")),
        keep="all" if request.keep == "none" else request.keep,
    )


def _announce(address: str, flagged: int, *, browser: bool) -> None:
    """Print the address of the page, and open it."""
    sys.stdout.write(f"{flagged} flagged images to review on {address}\nCtrl-C ends the demo.\n")
    sys.stdout.flush()
    if browser:
        open_browser(address)


def _opened_store(request: ServeRequest) -> AbstractContextManager[Store | None]:
    """Return the store as a context that closes it."""
    if request.store is None:
        return nullcontext()
    retention = None if request.retention is None else timedelta(days=request.retention)
    return open_store(request.store, keep=request.keep != "none", retention=retention)
