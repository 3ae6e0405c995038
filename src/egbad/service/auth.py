"""Tokens, their roles, and the role that each path needs."""

import hmac
from collections.abc import Mapping
from enum import StrEnum
from hashlib import sha256
from pathlib import Path

from egbad.errors import EgbadError, InvalidInputError

MIN_TOKEN_LENGTH = 16
_BEARER = "bearer"


class Role(StrEnum):
    """Permission of a token. An administrator may do everything."""

    SCORE = "score"
    REVIEW = "review"
    ADMIN = "admin"


# The role that a path needs, by its beginning. The first that fits decides, and other paths need the role "score".
_PUBLIC = frozenset(
    {
        *(
            "/",
            "/api",
            "/docs.css",
            "/openapi.json",
            "/v2",
            "/v2/health/live",
            "/v2/health/ready",
            "/sign-in",
            "/sign-out",
        ),
        *("/static/pages.css", "/static/pages.js", "/static/htmx.min.js"),
    }
)
_PREFIXES = {
    **{"/v1/admin/": Role.ADMIN, "/review/admin/": Role.ADMIN},
    **{"/v1/review/": Role.REVIEW, "/review": Role.REVIEW},
}


def required_role(path: str) -> Role | None:
    """Return the role that a path needs, None for public ones.

    Parameters
    ----------
    path : str

    Returns
    -------
    Role or None

    Examples
    --------
    >>> required_role("/v1/admin/models"), required_role("/v1/models/a/score"), required_role("/v2/health/live")
    (<Role.ADMIN: 'admin'>, <Role.SCORE: 'score'>, None)
    """
    if path in _PUBLIC:
        return None
    return next((role for prefix, role in _PREFIXES.items() if path.startswith(prefix)), Role.SCORE)


class Tokens:
    """Tokens that the service accepts. Only their digests are kept.

    Parameters
    ----------
    roles : mapping of str to Role
        Role of each token.

    Raises
    ------
    InvalidInputError
        If a token is too short.
    """

    def __init__(self, roles: Mapping[str, Role]) -> None:
        if any(len(token) < MIN_TOKEN_LENGTH for token in roles):
            raise InvalidInputError(f"A token must have at least {MIN_TOKEN_LENGTH} characters, got a shorter one.")
        self._roles = [(_digest(token.encode()), role) for token, role in roles.items()]

    def __bool__(self) -> bool:
        return bool(self._roles)

    def role_of(self, authorization: bytes) -> Role | None:
        """Return the role of the token in a header, in a time that does not depend on the token.

        Parameters
        ----------
        authorization : bytes
            Value of the header Authorization.

        Returns
        -------
        Role or None
        """
        scheme, _, token = authorization.partition(b" ")
        digest, found = _digest(token.strip()), None
        for known, role in self._roles:
            if hmac.compare_digest(known, digest):
                found = role
        return found if scheme.lower() == _BEARER.encode() else None


def read_tokens(path: Path | None, environment: str | None) -> Tokens:
    """Read tokens from a file, and from an environment variable whose token has the role "admin".

    Parameters
    ----------
    path : Path, optional
        Each line holds a role and a token: "score 5f0c...". Lines that begin with # are comments.
    environment : str, optional
        Token.

    Returns
    -------
    Tokens

    Raises
    ------
    InvalidInputError
        If the file cannot be read or a line is something else. The message does not show it.
    """
    roles = {} if not environment else {environment.strip(): Role.ADMIN}
    if path is None:
        return Tokens(roles)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise EgbadError(f"The token file '{path}' cannot be read. Check --token-file.") from error
    before = len(roles)
    for number, line in enumerate(lines, 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if len(words) != 2 or words[0] not in {*Role}:
            raise InvalidInputError(
                f"Each line of the token file '{path}' must be a role ({', '.join(Role)}) and a token, line {number} is not."
            )
        roles[words[1]] = Role(words[0])
    if len(roles) == before:
        raise InvalidInputError(
            f"The token file '{path}' must hold a token, got none. Write a line such as 'score TOKEN'."
        )
    return Tokens(roles)


def _digest(token: bytes) -> bytes:
    return sha256(token).digest()
