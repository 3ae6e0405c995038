"""Routes that describe the service to people and programs, and metrics."""

from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import HTMLResponse, PlainTextResponse
from jinja2 import Environment, PackageLoader
from prometheus_client import CONTENT_TYPE_LATEST

from egbad.service.context import Service
from egbad.service.pages.site import redirect

_TEMPLATES = Environment(loader=PackageLoader("egbad.service"), autoescape=True, trim_blocks=True, lstrip_blocks=True)


def make_router(service: Service) -> APIRouter:
    """Return the routes.

    Parameters
    ----------
    service : Service

    Returns
    -------
    APIRouter
    """
    router = APIRouter(tags=["pages"], default_response_class=HTMLResponse)

    @router.get("/", summary="Describe the service", response_model=None)
    async def describe(request: Request) -> Response:
        """Return the page '/api'. A browser, which accepts text/html by name, is led to the pages for people."""
        if "text/html" in request.headers.get("accept", ""):
            return redirect("/try" if service.store is None else "/review")
        return _describe(request.app)

    @router.get("/api", summary="Describe the service", response_model=None)
    async def describe_to_people(request: Request) -> Response:
        """Return this page."""
        return _describe(request.app)

    @router.get("/docs.css", include_in_schema=False)
    async def style() -> Response:
        return Response(_TEMPLATES.get_template("api.css").render(), media_type="text/css")

    @router.get(
        "/metrics", summary="Return metrics for Prometheus", response_model=None, response_class=PlainTextResponse
    )
    async def metrics() -> Response:
        """Return counters of requests, rows, batches and refusals, and the drift of the stored items of each model."""
        return Response(service.metrics.render(), media_type=CONTENT_TYPE_LATEST)

    return router


def _describe(app: FastAPI) -> Response:
    """Return the page that lists all routes."""
    page = _TEMPLATES.get_template("api.html.jinja").render(schema=app.openapi(), groups=_by_tag(app.openapi()))
    return Response(page, media_type="text/html")


def _by_tag(schema: dict[str, Any]) -> dict[str, list[tuple[str, str, dict[str, Any]]]]:
    """Return the operations of each tag as (method, path, description)."""
    groups: dict[str, list[tuple[str, str, dict[str, Any]]]] = {}
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            groups.setdefault(operation["tags"][0], []).append((method.upper(), path, operation))
    return groups
