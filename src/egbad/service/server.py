"""Start and end of the service: models, socket, signals, and uvicorn."""

import os
import signal
import socket
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from math import ceil
from pathlib import Path

import uvicorn

from egbad.errors import EgbadError, InvalidInputError
from egbad.service.app import create_app
from egbad.service.auth import read_tokens
from egbad.service.context import Service
from egbad.service.drift import DriftTrackers
from egbad.service.drift_metrics import DriftCollector
from egbad.service.limits import Capacity
from egbad.service.logs import make_logger, server_messages
from egbad.service.metrics import Metrics
from egbad.service.middleware import LOOPBACK_NAMES, Guard, RequestMiddleware
from egbad.service.model_loader import ModelLoader
from egbad.service.models import ModelRegistry
from egbad.service.protocol import LimitedProtocol
from egbad.service.records import RecordStore
from egbad.service.settings import ServiceSettings
from egbad.service.store import Store

TOKEN_VARIABLE = "EGBAD_TOKEN"
_DRAIN_SECONDS = 5  # beyond the deadline of requests, until connections are closed at the end
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True, kw_only=True)
class Listen:
    """Address of the service and who may use it.

    Attributes
    ----------
    host : str
    port : int
        0 for any free one.
    token_file : Path, optional
    insecure : bool
        Serve other machines without tokens.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    token_file: Path | None = None
    insecure: bool = False

    def guard(self, environment: Mapping[str, str] = os.environ) -> Guard:
        """Return the rules about who may send requests.

        Parameters
        ----------
        environment : mapping of str to str

        Returns
        -------
        Guard

        Raises
        ------
        InvalidInputError
            If other machines could send requests without a token, or the token file is not valid.
        """
        tokens = read_tokens(self.token_file, environment.get(TOKEN_VARIABLE))
        if not tokens and not self.insecure and not _is_loopback(self.host):
            raise InvalidInputError(
                f"On '{self.host}', which other machines can reach, a token is needed: set {TOKEN_VARIABLE} or --token-file, "
                "or allow everyone with --insecure-no-token."
            )
        return Guard(tokens, None if tokens or self.insecure else LOOPBACK_NAMES)

    def bind(self) -> socket.socket:
        """Return a socket that listens.

        Returns
        -------
        socket.socket

        Raises
        ------
        EgbadError
            If the port is in use, or the host is not one of this machine.
        """
        try:
            family = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
            listener = socket.create_server((self.host, self.port), family=family, backlog=2048)
        except OSError as error:
            reason = str(error.strerror or error).partition(" (")[0]  # asyncio and socket append the address
            raise EgbadError(
                f"The service cannot listen on {self.host} port {self.port}: {reason}. Choose another --host or --port."
            ) from error
        # Connections inherit it. Otherwise the body of an answer waits for the acknowledgement of its head, 40 ms.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listener


def make_service(
    paths: Sequence[Path],
    settings: ServiceSettings,
    *,
    log_format: str = "json",
    store: RecordStore | None = None,
    keep: str = "none",
) -> Service:
    """Load models and make the parts of the service.

    Parameters
    ----------
    paths : sequence of Path
        Model files.
    settings : ServiceSettings
    log_format : {"json", "text"}
    store : RecordStore, optional
    keep : {"none", "flagged", "all"}
        Rows and images that the store keeps.

    Returns
    -------
    Service

    Raises
    ------
    InvalidInputError
        If a file cannot be read, or two have one name and version.
    """
    capacity = Capacity(settings.queue_rows, max(settings.queue_bytes, 4 * settings.max_body))
    metrics = Metrics(capacity)
    executor = ThreadPoolExecutor(settings.workers, thread_name_prefix="egbad")
    readable = store if isinstance(store, Store) else None
    keeps = store is not None and keep != "none"
    loader = ModelLoader(settings, executor, keep=keeps, recalibrations=readable, observe=metrics.observe_batch)
    registry = ModelRegistry([loader.load(path) for path in paths])
    drift = None if readable is None else DriftTrackers(registry, readable, keeps_rows=keep == "all")
    if drift is not None:
        metrics.add(DriftCollector(drift))
    return Service(
        settings=settings,
        registry=registry,
        loader=loader,
        capacity=capacity,
        executor=executor,
        metrics=metrics,
        logger=make_logger(log_format),
        store=store,
        keep=keep,
        drift=drift,
    )


def serve(service: Service, guard: Guard, listener: socket.socket) -> None:
    """Answer requests until the process receives SIGINT or SIGTERM. Requests that have begun are answered before the end.

    Parameters
    ----------
    service : Service
    guard : Guard
    listener : socket.socket
    """
    host, port = listener.getsockname()[:2]
    models = [f"{model.name}@{model.version}" for model in service.registry]
    service.logger.info("serving", host=host, port=port, models=models, tokens=bool(guard.tokens))
    # uvicorn ends by the signals, and raises them once more when it has ended.
    with _ignored_signals(), server_messages(service.logger):
        make_server(create_app(service, guard), service.settings).run([listener])
    service.executor.shutdown(cancel_futures=True)
    service.logger.info("stopped")


def make_server(app: RequestMiddleware, settings: ServiceSettings) -> uvicorn.Server:
    """Return the HTTP server of an application.

    Parameters
    ----------
    app : RequestMiddleware
    settings : ServiceSettings

    Returns
    -------
    uvicorn.Server
    """
    config = uvicorn.Config(
        app,
        http=LimitedProtocol,
        lifespan="on",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=ceil(settings.deadline) + _DRAIN_SECONDS,
    )
    return uvicorn.Server(config)


@contextmanager
def _ignored_signals() -> Iterator[None]:
    """Ignore the signals that end the service in this context."""
    earlier = {number: signal.signal(number, signal.SIG_IGN) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)


def _is_loopback(host: str) -> bool:
    """Return True for addresses that only this machine can reach."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
