"""Rows and bytes that the service holds at a time, and bodies of bounded size."""

from asyncio import timeout_at
from http import HTTPStatus
from types import TracebackType
from typing import Self

from fastapi import Request
from starlette.requests import ClientDisconnect

from egbad.service.problems import ProblemError, overloaded
from egbad.service.settings import ServiceSettings


class Capacity:
    """Rows and bytes that all requests together may hold.

    It belongs to the event loop: no other thread changes it.

    Parameters
    ----------
    max_rows, max_bytes : int

    Attributes
    ----------
    rows, bytes : int
        Held at present.
    """

    def __init__(self, max_rows: int, max_bytes: int) -> None:
        self.max_rows, self.max_bytes = max_rows, max_bytes
        self.rows = self.bytes = 0

    def reserve(self) -> "Reservation":
        """Return a reservation of nothing, which can grow."""
        return Reservation(self)


class Reservation:
    """Rows and bytes that one request holds, until the end of a `with` block.

    Parameters
    ----------
    capacity : Capacity
    """

    def __init__(self, capacity: Capacity) -> None:
        self._capacity = capacity
        self._rows = self._bytes = 0

    def __enter__(self) -> Self:
        """Return the reservation."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Release everything."""
        self._capacity.rows -= self._rows
        self._capacity.bytes -= self._bytes
        self._rows = self._bytes = 0

    def add(self, *, rows: int = 0, bytes: int = 0) -> None:
        """Hold more rows and bytes.

        Parameters
        ----------
        rows, bytes : int

        Raises
        ------
        ProblemError
            With status 503 if the service would hold too many.
        """
        capacity = self._capacity
        if capacity.rows + rows > capacity.max_rows or capacity.bytes + bytes > capacity.max_bytes:
            raise overloaded("The queue is full. Repeat the request later.")
        capacity.rows += rows
        capacity.bytes += bytes
        self._rows += rows
        self._bytes += bytes


async def read_body(request: Request, reservation: Reservation, settings: ServiceSettings, deadline: float) -> bytes:
    """Read the body of a request.

    Parameters
    ----------
    request : Request
    reservation : Reservation
        Receives the bytes as they come.
    settings : ServiceSettings
    deadline : float
        Time of the event loop.

    Returns
    -------
    bytes

    Raises
    ------
    ProblemError
        If the body is too large, compressed, comes too slowly, or the queue is full.
    """
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise ProblemError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "The body must not be compressed. Omit Content-Encoding.")
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared[:20]) > settings.max_body:
        raise _too_large(settings)
    body = bytearray()
    try:
        async with timeout_at(deadline):
            async for part in request.stream():
                if len(body) + len(part) > settings.max_body:
                    raise _too_large(settings)
                reservation.add(bytes=len(part))
                body += part
    except TimeoutError as error:
        raise ProblemError(HTTPStatus.REQUEST_TIMEOUT, "The body must come faster. Send it at once.") from error
    except ClientDisconnect as error:
        raise ProblemError(HTTPStatus.BAD_REQUEST, "The body is incomplete.") from error
    return bytes(body)


def _too_large(settings: ServiceSettings) -> ProblemError:
    """Return the problem of a body that is too large. The connection ends, so that the rest need not be read."""
    detail = f"The body must have at most {settings.max_body:,} bytes. Send fewer rows or images at a time."
    return ProblemError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail, {"Connection": "close"})
