"""Structured logs on stderr. They hold no rows, no bodies and no tokens."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog

FORMATS = ("json", "text")


def make_logger(log_format: str) -> Any:
    """Return a logger of its own, so that no logger of the process changes.

    Parameters
    ----------
    log_format : {"json", "text"}

    Returns
    -------
    structlog.typing.FilteringBoundLogger
    """
    renderer: Any = (
        structlog.processors.JSONRenderer() if log_format == "json" else structlog.dev.ConsoleRenderer(colors=False)
    )
    processors: list[Any] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        *([structlog.processors.format_exc_info] if log_format == "json" else []),
        renderer,
    ]
    return structlog.wrap_logger(
        structlog.PrintLogger(sys.stderr), processors=processors, wrapper_class=structlog.BoundLogger
    )


class _Forwarder(logging.Handler):
    """Handler that passes the messages of a library to a logger of structlog."""

    def __init__(self, logger: Any) -> None:
        super().__init__(logging.WARNING)
        self._target = logger

    def emit(self, record: logging.LogRecord) -> None:
        """Log a message."""
        error = record.exc_info[1] if record.exc_info else None
        about = {} if error is None else {"exc_info": error}
        log = self._target.error if record.levelno >= logging.ERROR else self._target.warning
        log("server message", message=record.getMessage(), **about)


@contextmanager
def server_messages(logger: Any) -> Iterator[None]:
    """Log warnings and errors of uvicorn by a logger in this context, in its format.

    Parameters
    ----------
    logger : object
        From `make_logger`.
    """
    library, forwarder = logging.getLogger("uvicorn"), _Forwarder(logger)
    propagates = library.propagate
    library.addHandler(forwarder)
    library.propagate = False
    try:
        yield
    finally:
        library.removeHandler(forwarder)
        library.propagate = propagates
