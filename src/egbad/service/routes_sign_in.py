"""Routes that open and end sessions of browsers, and the files of the pages."""

from http import HTTPStatus
from importlib.resources import files

from fastapi import APIRouter, Request, Response

from egbad.service.pages.site import Site, needed_role, redirect, set_cookie
from egbad.service.sessions import local_address

_FILES = {"pages.css": "text/css", "pages.js": "text/javascript", "htmx.min.js": "text/javascript"}


def make_router(site: Site) -> APIRouter:
    """Return the routes.

    Parameters
    ----------
    site : Site

    Returns
    -------
    APIRouter
    """
    router, guard = site.router(), site.guard

    @router.get("/sign-in")
    async def ask(request: Request, next: str = "") -> Response:
        return _show(site, request, local_address(next))

    @router.post("/sign-in")
    async def sign_in(request: Request) -> Response:
        form = await site.read_form(request)
        address = local_address(form.get("next", ""))
        role = guard.tokens.role_of(b"Bearer " + form.get("token", "").strip().encode())
        if role is None:
            return _show(site, request, address, HTTPStatus.UNAUTHORIZED)
        response = redirect(address)
        set_cookie(request, response, "session", guard.sessions.issue(role))
        return response

    @router.post("/sign-out")
    async def sign_out(request: Request) -> Response:
        await site.read_form(request)
        response = redirect("/sign-in")
        set_cookie(request, response, "session", "", 0)
        return response

    for name, media_type in _FILES.items():
        router.add_api_route(f"/static/{name}", _file_route(name, media_type), methods=["GET"])
    return router


def _show(site: Site, request: Request, address: str, status: int = HTTPStatus.OK) -> Response:
    """Return the page that asks for a token."""
    if not site.guard.tokens:
        return redirect(address)
    role, wrong = needed_role(address), status != HTTPStatus.OK
    return site.show(request, "sign_in.html.jinja", status, next=address, role=role, wrong=wrong)


def _file_route(name: str, media_type: str):  # type: ignore[no-untyped-def] # a coroutine function
    """Return a route that sends a file of the package."""
    content = (files("egbad.service") / "static" / name).read_bytes()

    async def send() -> Response:
        return Response(content, media_type=media_type)

    return send
