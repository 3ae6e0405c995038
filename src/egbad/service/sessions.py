"""Sessions of browsers: signed cookies, and the tokens of forms that are bound to them."""

import hmac
import re
import secrets
import time
from collections.abc import Callable
from hashlib import sha256

from starlette.requests import cookie_parser

from egbad.service.auth import Role

SESSION_SECONDS = 12 * 3600
_ANONYMOUS = "anonymous"
_PAGES = re.compile(r"/(review|try|sign-in)(/.*)?")
_LOCAL = re.compile(r"/(review|try)([/?][!-\[\]-~]*)?")  # printable ASCII without a backslash
_LONGEST = 2_000


def is_page(path: str) -> bool:
    """Return True for a path that people open in a browser, where a session stands for a token.

    Parameters
    ----------
    path : str

    Returns
    -------
    bool

    Examples
    --------
    >>> is_page("/review/items/7"), is_page("/reviews"), is_page("/v1/models")
    (True, False, False)
    """
    return _PAGES.fullmatch(path) is not None


def local_address(text: str, default: str = "/review") -> str:
    r"""Return the address of a page of this service, the default for any other text.

    Parameters
    ----------
    text : str
        Came with a request.
    default : str

    Returns
    -------
    str

    Examples
    --------
    >>> local_address("/review?order=newest"), local_address("//example.org/review"), local_address("/review/\\example.org")
    ('/review?order=newest', '/review', '/review')
    """
    return text if len(text) <= _LONGEST and _LOCAL.fullmatch(text) else default


def cookie_of(headers: dict[bytes, bytes], kind: str) -> str:
    """Return the value of a cookie, empty if there is none.

    Parameters
    ----------
    headers : dict of bytes to bytes
    kind : {"session", "form", "reviewer"}

    Returns
    -------
    str
    """
    cookies = cookie_parser(headers.get(b"cookie", b"").decode("latin-1"))
    return cookies.get(cookie_name(headers, kind), "")


def cookie_name(headers: dict[bytes, bytes], kind: str) -> str:
    """Return the name of a cookie. It has the port, because browsers send the cookies of a host to all of its ports.

    Parameters
    ----------
    headers : dict of bytes to bytes
    kind : str

    Returns
    -------
    str
    """
    port = headers.get(b"host", b"").decode("latin-1").rpartition(":")[2]
    return f"egbad_{kind}_{port if port.isascii() and port.isdecimal() else 80}"


class Sessions:
    """Sessions of one process. They end with it, or after `SESSION_SECONDS`.

    Parameters
    ----------
    clock : callable
        Returns the time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._secret, self._clock = secrets.token_bytes(32), clock

    def issue(self, role: Role | None = None) -> str:
        """Return a new session.

        Parameters
        ----------
        role : Role, optional
            None for a session that proves no token, to which forms are bound where no token is needed.

        Returns
        -------
        str
        """
        body = f"{role or _ANONYMOUS}.{int(self._clock()) + SESSION_SECONDS}.{secrets.token_hex(16)}"
        return f"{body}.{self._sign('session', body)}"

    def is_valid(self, session: str) -> bool:
        """Return True for a session of this process that has not ended.

        Parameters
        ----------
        session : str

        Returns
        -------
        bool
        """
        body, _, signature = session.rpartition(".")
        if not hmac.compare_digest(signature.encode(), self._sign("session", body).encode()):
            return False
        return int(body.split(".")[1]) > self._clock()

    def role_of(self, session: str) -> Role | None:
        """Return the role of the token that a session was opened with.

        Parameters
        ----------
        session : str

        Returns
        -------
        Role or None
        """
        name = session.partition(".")[0]
        return Role(name) if self.is_valid(session) and name != _ANONYMOUS else None

    def form_token(self, session: str) -> str:
        """Return the token of all forms of a session.

        Parameters
        ----------
        session : str

        Returns
        -------
        str
        """
        return self._sign("form", session)

    def accepts_form(self, session: str, token: str) -> bool:
        """Return True if a form came from a page of a valid session.

        Parameters
        ----------
        session, token : str

        Returns
        -------
        bool
        """
        same = hmac.compare_digest(token.encode(), self.form_token(session).encode())
        return same and self.is_valid(session)

    def _sign(self, purpose: str, text: str) -> str:
        return hmac.new(self._secret, f"{purpose}:{text}".encode(), sha256).hexdigest()
