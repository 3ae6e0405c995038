"""Errors as application/problem+json (RFC 9457): one sentence, and never a traceback."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic_core import to_json
from starlette.exceptions import HTTPException

from egbad.errors import EgbadError, shorten

MEDIA_TYPE = "application/problem+json"
RETRY_SECONDS = 1  # that a client waits before it repeats a request
_MAX_DETAIL = 500  # characters of a sentence


class ProblemError(Exception):
    """An error that a client receives.

    Parameters
    ----------
    status : int
        HTTP status.
    detail : str
        One sentence: what must hold, what was found, and what to do.
    headers : mapping of str to str
        Further headers of the response.
    """

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status, self.detail, self.headers = status, detail, headers


def overloaded(detail: str) -> ProblemError:
    """Return the problem of a request that came while the service has too much to do.

    Parameters
    ----------
    detail : str

    Returns
    -------
    ProblemError
        With status 503 and the header Retry-After.
    """
    return ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, detail, {"Retry-After": str(RETRY_SECONDS)})


def one_sentence(error: EgbadError) -> str:
    """Return the message of an error of the library on one line.

    Parameters
    ----------
    error : EgbadError

    Returns
    -------
    str
    """
    return " ".join(str(error).split())


def problem_response(status: int, detail: str, path: str, headers: Mapping[str, str] | None = None) -> Response:
    """Return the response for a problem.

    Parameters
    ----------
    status : int
    detail : str
    path : str
        Path of the request. Routes of the Open Inference Protocol also have the key "error", as it demands.
    headers : mapping of str to str, optional

    Returns
    -------
    Response
    """
    detail = shorten(detail, _MAX_DETAIL).encode(errors="backslashreplace").decode()
    content: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": int(status),
        "detail": detail,
    }
    if path.startswith("/v2"):
        content["error"] = detail
    return Response(to_json(content), status, headers, MEDIA_TYPE)


def add_handlers(app: FastAPI) -> None:
    """Answer the errors of all routes of an application.

    Parameters
    ----------
    app : FastAPI
    """

    async def answer_problem(request: Request, error: Exception) -> Response:
        assert isinstance(error, ProblemError)
        return problem_response(error.status, error.detail, request.url.path, error.headers)

    async def answer_library_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, EgbadError)
        return problem_response(HTTPStatus.BAD_REQUEST, one_sentence(error), request.url.path)

    async def answer_http_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return problem_response(
            error.status_code, _HTTP_DETAILS.get(error.status_code, str(error.detail)), request.url.path, error.headers
        )

    async def answer_invalid_parameter(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        detail = f"The parameter {name} is not valid: {first['msg']}."
        return problem_response(HTTPStatus.BAD_REQUEST, detail, request.url.path)

    async def answer_bug(request: Request, error: Exception) -> Response:
        detail = "The service failed on this request. Its log tells why, under the request's id."
        return problem_response(HTTPStatus.INTERNAL_SERVER_ERROR, detail, request.url.path)

    app.add_exception_handler(Exception, answer_bug)
    app.add_exception_handler(ProblemError, answer_problem)
    app.add_exception_handler(EgbadError, answer_library_error)
    app.add_exception_handler(HTTPException, answer_http_error)
    app.add_exception_handler(RequestValidationError, answer_invalid_parameter)


_HTTP_DETAILS = {
    404: "There is no such page. '/api' lists what the service answers.",
    405: "This page does not take this method. '/api' lists what the service answers.",
}
