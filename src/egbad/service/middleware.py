"""Request ids, roles, headers, logs and metrics of every request."""

import asyncio
import re
import time
from collections.abc import Collection
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from egbad.service.auth import Role, Tokens, required_role
from egbad.service.context import KEY, RequestFacts
from egbad.service.metrics import Metrics
from egbad.service.problems import problem_response
from egbad.service.sessions import Sessions, cookie_of, is_page

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
# Pages show images that they hold themselves, and send forms by a script of this service.
_PAGE_POLICY = _POLICY.replace("img-src 'self'", "img-src 'self' data:") + "; script-src 'self'; connect-src 'self'"
_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
]
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})


@dataclass(frozen=True)
class Guard:
    """Rules about who may send requests.

    Attributes
    ----------
    tokens : Tokens
        If there are none, nobody needs one.
    hosts : collection of str, optional
        Names that the header Host may have. A service without tokens on the loopback interface takes loopback names only, so
        that a page in a browser cannot reach it by a name of its own.
    sessions : Sessions
        Sessions of browsers, which stand for tokens on pages and nowhere else.
    """

    tokens: Tokens
    hosts: Collection[str] | None
    sessions: Sessions = field(default_factory=Sessions)

    def refusal(self, path: str, headers: dict[bytes, bytes]) -> tuple[int, str, dict[str, str]] | None:
        """Return status, sentence and headers of a refusal, None if the request may go on.

        Parameters
        ----------
        path : str
        headers : dict of bytes to bytes

        Returns
        -------
        tuple or None
        """
        if self.hosts is not None:
            host = re.sub(r":\d*$", "", headers.get(b"host", b"").decode("latin-1"))
            if host.lower() not in self.hosts:
                return (
                    HTTPStatus.MISDIRECTED_REQUEST,
                    "The header Host must name this machine, for example localhost.",
                    {},
                )
        required = required_role(path)
        if required is None or not self.tokens:
            return None
        role = self.tokens.role_of(headers.get(b"authorization", b""))
        if is_page(path) and b"authorization" not in headers:
            role = self.sessions.role_of(cookie_of(headers, "session"))
            return None if role in (required, Role.ADMIN) else _sign_in(path, headers)
        if role is None:
            detail = "A valid token is needed. Send the header 'Authorization: Bearer TOKEN'."
            return HTTPStatus.UNAUTHORIZED, detail, {"WWW-Authenticate": "Bearer"}
        if role not in (required, Role.ADMIN):
            return HTTPStatus.FORBIDDEN, f"The token has the role '{role}', but this page needs '{required}'.", {}
        return None


def _sign_in(path: str, headers: dict[bytes, bytes]) -> tuple[int, str, dict[str, str]]:
    """Return the refusal that leads a browser to the page that asks for a token."""
    address = f"/sign-in?next={quote(path)}"
    if b"hx-request" in headers:
        return HTTPStatus.UNAUTHORIZED, "Sign in again.", {"HX-Redirect": address}
    return HTTPStatus.SEE_OTHER, "Sign in with a token.", {"Location": address}


class RequestMiddleware:
    """ASGI application around the routes. It answers refused requests, and logs and counts all.

    Parameters
    ----------
    app : ASGI application
    guard : Guard
    metrics : Metrics
    logger : object
        A logger of structlog.
    deadline : float
        Seconds that a request may take.
    """

    def __init__(self, app: ASGIApp, *, guard: Guard, metrics: Metrics, logger: Any, deadline: float) -> None:
        self.app, self._guard, self._metrics, self._logger, self._deadline = app, guard, metrics, logger, deadline

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] == "http":
            await self._handle(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1000})

    async def _handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        started, status = time.perf_counter(), 0
        headers = dict(scope["headers"])
        given = headers.get(b"x-request-id", b"").decode("latin-1")
        request_id = given if _REQUEST_ID.fullmatch(given) else uuid4().hex
        policy = _PAGE_POLICY if is_page(scope["path"]) else _POLICY
        own = [(b"content-security-policy", policy.encode()), (b"x-request-id", request_id.encode())]
        scope[KEY] = RequestFacts(request_id, asyncio.get_running_loop().time() + self._deadline)

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": [*message["headers"], *_HEADERS, *own]}
            await send(message)

        try:
            refusal = self._guard.refusal(scope["path"], headers)
            if refusal is None:
                await self.app(scope, receive, send_with_headers)
            else:
                code, detail, more = refusal
                await problem_response(code, detail, scope["path"], more)(scope, receive, send_with_headers)
        except Exception as error:  # the client has its answer; a bug belongs into the log
            self._logger.error("request failed", request_id=request_id, exc_info=error)
        finally:
            self._record(scope, request_id, status, time.perf_counter() - started)

    def _record(self, scope: Scope, request_id: str, status: int, seconds: float) -> None:
        """Count a request and log it, by the template of its path."""
        route = getattr(scope.get("route"), "path", "unknown")
        self._metrics.observe_request(route, status, seconds)
        self._logger.info(
            "request",
            request_id=request_id,
            method=scope["method"],
            route=route,
            **{name: value for name, value in scope.get("path_params", {}).items() if route != "unknown"},
            status=status,
            ms=round(1000 * seconds, 2),
        )
