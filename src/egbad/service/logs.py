"""Structured logs on stderr. They hold no rows, no bodies and no tokens."""

import sys
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
