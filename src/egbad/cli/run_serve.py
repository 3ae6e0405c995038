"""The work of `egbad serve`."""

import warnings
from collections.abc import Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

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
    with closing(listen.bind()) as listener, warnings.catch_warnings(), _opened_store(request) as store:
        # Warnings about rows, such as a training row, would repeat on stderr what clients send.
        warnings.simplefilter("ignore")
        service = make_service(request.models, settings, log_format=request.log_format, store=store, keep=request.keep)
        serve(service, guard, listener)


def _opened_store(request: ServeRequest) -> AbstractContextManager[Store | None]:
    """Return the store as a context that closes it."""
    if request.store is None:
        return nullcontext()
    retention = None if request.retention is None else timedelta(days=request.retention)
    return open_store(request.store, keep=request.keep != "none", retention=retention)
