"""The application: routes, errors and the order of start and end."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from typing import Any

from fastapi import FastAPI

import egbad
from egbad.service import (
    problems,
    routes_admin,
    routes_drift,
    routes_models,
    routes_pages,
    routes_review,
    routes_score,
    routes_sign_in,
    routes_summary,
    routes_try,
    routes_v2,
)
from egbad.service.context import Service
from egbad.service.middleware import Guard, RequestMiddleware
from egbad.service.pages.site import Site
from egbad.service.schemas import Problem

_DESCRIPTION = "Scores, p-values, flags and explanations of rows and images by fitted models of egbad."


def create_app(service: Service, guard: Guard) -> RequestMiddleware:
    """Create the application.

    Parameters
    ----------
    service : Service
    guard : Guard

    Returns
    -------
    RequestMiddleware
        The ASGI application. Its `app` is the FastAPI application with the routes.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with nullcontext() if service.drift is None else service.drift.updated():
            yield
        await service.registry.drain()

    app = FastAPI(
        title="egbad",
        version=egbad.__version__,
        description=_DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        redirect_slashes=False,
        separate_input_output_schemas=False,
    )
    problems.add_handlers(app)
    for routes in (routes_score, routes_v2, routes_admin, routes_pages):
        app.include_router(routes.make_router(service))
    site = Site(service, guard)
    for pages in (routes_sign_in, routes_review, routes_summary, routes_drift, routes_models, routes_try):
        app.include_router(pages.make_router(site))
    _complete_schema(app)
    return RequestMiddleware(
        app, guard=guard, metrics=service.metrics, logger=service.logger, deadline=service.settings.deadline
    )


def _complete_schema(app: FastAPI) -> None:
    """Add problems and tokens to the description of the service."""
    build = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = build()
            components = schema.setdefault("components", {})
            components.setdefault("schemas", {})["Problem"] = Problem.model_json_schema()
            components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
            schema["security"] = [{"token": []}]
            for operations in schema["paths"].values():
                for operation in operations.values():
                    operation["responses"].pop(
                        "422", None
                    )  # FastAPI's own form of a wrong parameter, which is a problem here
        return app.openapi_schema or {}

    app.openapi = openapi  # type: ignore[method-assign] # as FastAPI's documentation does it
