"""Routes of administrators: load, replace and remove models while requests run."""

import asyncio
from http import HTTPStatus
from typing import TypeVar

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ValidationError
from pydantic_core import to_json

from egbad.errors import EgbadError, InvalidInputError
from egbad.service.answers import JSON, media_type_of
from egbad.service.context import Service, facts_of
from egbad.service.limits import read_body
from egbad.service.models import ServedModel
from egbad.service.problems import ProblemError, one_sentence
from egbad.service.schemas import DefaultVersion, LoadRequest, ModelDescription, errors

B = TypeVar("B", bound=BaseModel)


def make_router(service: Service) -> APIRouter:
    """Return the routes.

    Parameters
    ----------
    service : Service

    Returns
    -------
    APIRouter
    """
    router = APIRouter(tags=["administration"])
    _add_load_route(router, service)
    _add_version_routes(router, service)
    return router


def _add_load_route(router: APIRouter, service: Service) -> None:
    """Add the route that loads a model."""
    loading = asyncio.Lock()  # one model at a time: bounds memory

    @router.post(
        "/v1/admin/models",
        status_code=HTTPStatus.CREATED,
        summary="Load a model",
        response_model=None,
        responses={201: {"model": ModelDescription, "description": "The model."}, **errors(404, 413, 415)},
        openapi_extra=_body(LoadRequest),
    )
    async def load(request: Request) -> Response:
        """Load a file from the folder of models, in place of the model with its name and version. No request is dropped."""
        wanted = await _read(service, request, LoadRequest)
        async with loading:
            model = await service.run(_load, service, wanted)
        service.registry.add(model, default=wanted.default)
        service.logger.info("model loaded", model=model.name, version=model.version, digest=model.digest)
        return Response(to_json(model.describe()), HTTPStatus.CREATED, media_type=JSON)


def _add_version_routes(router: APIRouter, service: Service) -> None:
    """Add the routes that choose the default version and remove others."""
    registry = service.registry

    @router.put(
        "/v1/admin/models/{name}/default",
        summary="Set the default version",
        response_model=None,
        responses={200: {"model": ModelDescription, "description": "The model."}, **errors(404, 413, 415)},
        openapi_extra=_body(DefaultVersion),
    )
    async def set_default(request: Request, name: str) -> Response:
        """Set the version that answers requests without one."""
        wanted = await _read(service, request, DefaultVersion)
        registry.set_default(name, wanted.version)
        service.logger.info("default version set", model=name, version=wanted.version)
        return Response(to_json(registry.find(name).describe()), media_type=JSON)

    @router.delete(
        "/v1/admin/models/{name}/versions/{version}",
        status_code=HTTPStatus.NO_CONTENT,
        summary="Remove a model",
        response_model=None,
        responses=errors(404),
    )
    async def remove(name: str, version: str) -> Response:
        """Remove a version. Requests that have begun are answered. The default version goes last."""
        registry.remove(name, version)
        service.logger.info("model removed", model=name, version=version)
        return Response(status_code=HTTPStatus.NO_CONTENT)


def _load(service: Service, wanted: LoadRequest) -> ServedModel:
    """Load a file. Errors name it without its folder."""
    path = service.loader.find_file(wanted.file)
    try:
        return service.loader.load(path, wanted.name, wanted.version)
    except EgbadError as error:
        raise InvalidInputError(one_sentence(error).replace(str(path), wanted.file)) from error


async def _read(service: Service, request: Request, kind: type[B]) -> B:
    """Read the body of a request."""
    if media_type_of(request) != JSON:
        raise ProblemError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"The Content-Type must be {JSON}, got another one.")
    with service.capacity.reserve() as reservation:
        content = await read_body(request, reservation, service.settings, facts_of(request).deadline)
    try:
        return kind.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the body"
        raise ProblemError(HTTPStatus.BAD_REQUEST, f"The body is not valid: {place}: {first['msg']}.") from error


def _body(kind: type[BaseModel]) -> dict[str, object]:
    """Return the description of a body."""
    return {"requestBody": {"required": True, "content": {JSON: {"schema": kind.model_json_schema()}}}}
