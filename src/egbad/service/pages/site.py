"""Frame of all pages: sessions, forms, languages, and errors that people can read."""

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.routing import APIRoute

from egbad.errors import EgbadError
from egbad.report.html import environment
from egbad.service.auth import Role, required_role
from egbad.service.context import Service, facts_of
from egbad.service.limits import read_body
from egbad.service.middleware import Guard
from egbad.service.pages.texts import Texts, choose_language
from egbad.service.problems import ProblemError, one_sentence
from egbad.service.sessions import SESSION_SECONDS, cookie_name, cookie_of
from egbad.service.store import Store, StoreError

MAX_NAME, MAX_NOTE = 100, 2_000  # characters
_MAX_FORM, _MAX_FIELDS = 65_536, 20
_FORM = "application/x-www-form-urlencoded"
_NAVIGATION = ("review", "review/summary", "review/drift", "review/models", "try")
Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class Site:
    """Frame of all pages.

    Parameters
    ----------
    service : Service
    guard : Guard
    """

    def __init__(self, service: Service, guard: Guard) -> None:
        self.service, self.guard = service, guard

    @property
    def store(self) -> Store | None:
        """Store that can be read and reviewed, None without one."""
        return self.service.store if isinstance(self.service.store, Store) else None

    def router(self) -> APIRouter:
        """Return a router whose errors are pages, except for scripts, which receive problems."""
        site = self

        class PageRoute(APIRoute):
            """Route of a page."""

            def get_route_handler(self) -> Handler:
                """Return the handler with pages for errors."""
                handle = super().get_route_handler()

                async def answer(request: Request) -> Response:
                    try:
                        return await handle(request)
                    except (EgbadError, ProblemError) as error:
                        if is_script(request):
                            raise
                        return site.show_error(request, error)

                return answer

        return APIRouter(route_class=PageRoute, include_in_schema=False)

    def texts(self, request: Request) -> Texts:
        """Return the texts in the language of a request.

        Parameters
        ----------
        request : Request

        Returns
        -------
        Texts
        """
        return Texts(choose_language(request))

    def session(self, request: Request) -> str:
        """Return the valid session of a request, empty if there is none.

        Parameters
        ----------
        request : Request

        Returns
        -------
        str
        """
        headers, sessions = dict(request.scope["headers"]), self.guard.sessions
        found = (cookie_of(headers, kind) for kind in ("session", "form"))
        return next((session for session in found if sessions.is_valid(session)), "")

    def may_administrate(self, request: Request) -> bool:
        """Return True if nobody needs a token, or the session was opened with one of an administrator.

        Parameters
        ----------
        request : Request

        Returns
        -------
        bool
        """
        return not self.guard.tokens or self.guard.sessions.role_of(self.session(request)) is Role.ADMIN

    def show(self, request: Request, template: str, status: int = HTTPStatus.OK, **values: Any) -> Response:
        """Return a page.

        Parameters
        ----------
        request : Request
        template : str
        status : int
        **values : object
            Values for the template.

        Returns
        -------
        Response
        """
        session, text = self.session(request), self.texts(request)
        new = not session
        session = session or self.guard.sessions.issue()
        frame = {
            "t": text,
            "csrf": self.guard.sessions.form_token(session),
            "link": Linker(request),
            "here": here(request),
            "path": request.url.path,
            "nav": _NAVIGATION,
            "other_language": request.url.path + "?" + _with_language(request, text.other),
            "signed_in": self.guard.sessions.role_of(session) is not None,
            "reviewer": self.reviewer(request),
            "max_name": MAX_NAME,
            "max_note": MAX_NOTE,
            "has_store": self.store is not None,
        }
        page = environment("egbad.service").get_template(template).render({**frame, **values})
        response = HTMLResponse(page, status)
        if new:
            set_cookie(request, response, "form", session)
        return response

    def show_error(self, request: Request, error: EgbadError | ProblemError) -> Response:
        """Return a page with one sentence.

        Parameters
        ----------
        request : Request
        error : EgbadError or ProblemError

        Returns
        -------
        Response
        """
        if isinstance(error, ProblemError):
            status, detail = error.status, error.detail
        else:
            status = HTTPStatus.SERVICE_UNAVAILABLE if isinstance(error, StoreError) else HTTPStatus.BAD_REQUEST
            detail = one_sentence(error)
        return self.show(request, "error.html.jinja", status, detail=detail)

    def reviewer(self, request: Request) -> str:
        """Return the name that a browser has saved, empty if there is none.

        Parameters
        ----------
        request : Request

        Returns
        -------
        str
        """
        return unquote(cookie_of(dict(request.scope["headers"]), "reviewer"))[:MAX_NAME]

    async def read_form(self, request: Request, max_bytes: int = _MAX_FORM) -> dict[str, str]:
        """Read a form that a page of this service has sent.

        Parameters
        ----------
        request : Request
        max_bytes : int

        Returns
        -------
        dict of str to str

        Raises
        ------
        ProblemError
            If the form is of another type, too large, or of no page of this session.
        """
        text = self.texts(request)
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
            raise ProblemError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, text("form_type"))
        limits = replace(self.service.settings, max_body=min(max_bytes, self.service.settings.max_body))
        with self.service.capacity.reserve() as reservation:
            content = await read_body(request, reservation, limits, facts_of(request).deadline)
        try:
            pairs = parse_qsl(
                content.decode(errors="replace"), keep_blank_values=True, max_num_fields=_MAX_FIELDS, errors="replace"
            )
        except ValueError as error:
            raise ProblemError(HTTPStatus.BAD_REQUEST, text("form_large", n=_MAX_FIELDS)) from error
        form = dict(pairs)
        self.check_form(request, form.get("csrf", ""))
        return form

    def check_form(self, request: Request, token: str) -> None:
        """Raise unless a form came from a page of the session of the request.

        Parameters
        ----------
        request : Request
        token : str

        Raises
        ------
        ProblemError
        """
        if not self.guard.sessions.accepts_form(self.session(request), token):
            raise ProblemError(HTTPStatus.FORBIDDEN, self.texts(request)("form_expired"))

    def check_length(self, request: Request, name: str, value: str, most: int) -> str:
        """Return a text of a form if it is not too long.

        Parameters
        ----------
        request : Request
        name : str
            Key of the name of the text.
        value : str
        most : int
            Characters.

        Returns
        -------
        str

        Raises
        ------
        ProblemError
        """
        if len(value) > most:
            text = self.texts(request)
            detail = text("text_long", name=text(name), n=f"{most:,}", found=f"{len(value):,}")
            raise ProblemError(HTTPStatus.BAD_REQUEST, detail)
        return value.strip()


class Linker:
    """Makes links that keep the language, where the address names one.

    Parameters
    ----------
    request : Request
    """

    def __init__(self, request: Request) -> None:
        self.language = choose_language(request) if "lang" in request.query_params else None

    def __call__(self, path: str, values: Mapping[str, str] | None = None, **more: str) -> str:
        """Return a link.

        Parameters
        ----------
        path : str
        values : mapping of str to str, optional
            Parameters. Empty ones are left out.
        **more : str
            Further ones.

        Returns
        -------
        str
        """
        given = {**({"lang": self.language} if self.language else {}), **(values or {}), **more}
        query = urlencode({name: value for name, value in given.items() if value})
        return f"{path}?{query}" if query else path


def here(request: Request) -> str:
    """Return the address of a request's page, in ASCII.

    Parameters
    ----------
    request : Request

    Returns
    -------
    str
    """
    query = request.url.query
    return quote(request.url.path) + (f"?{query}" if query else "")


def _with_language(request: Request, language: str) -> str:
    """Return the parameters of a request's page in another language."""
    return urlencode({**request.query_params, "lang": language})


def is_script(request: Request) -> bool:
    """Return True if a script of a page has sent a request, not the browser itself.

    Parameters
    ----------
    request : Request

    Returns
    -------
    bool
    """
    return "hx-request" in request.headers


def set_cookie(request: Request, response: Response, kind: str, value: str, seconds: int = SESSION_SECONDS) -> None:
    """Set a cookie that scripts cannot read and that other sites do not cause to be sent.

    Parameters
    ----------
    request : Request
    response : Response
    kind : {"session", "form", "reviewer"}
    value : str
    seconds : int
        0 removes the cookie.
    """
    response.set_cookie(
        cookie_name(dict(request.scope["headers"]), kind),
        quote(value, safe=""),
        max_age=seconds,
        httponly=True,
        samesite="strict",
        secure=request.headers.get("x-forwarded-proto") == "https",
    )


def redirect(address: str) -> Response:
    """Return a response that leads to another page after a form.

    Parameters
    ----------
    address : str

    Returns
    -------
    Response
    """
    return RedirectResponse(address, HTTPStatus.SEE_OTHER)


def needed_role(address: str) -> str:
    """Return the name of the role that a page needs.

    Parameters
    ----------
    address : str

    Returns
    -------
    str
    """
    return str(required_role(address.partition("?")[0]) or "")
