"""Routes of the Open Inference Protocol, version 2, with its extension for binary tensors."""

from functools import partial
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic_core import to_json

import egbad
from egbad.service.answers import JSON, is_small, media_type_of, score, store
from egbad.service.context import Service, facts_of
from egbad.service.inference import describe_inputs, describe_outputs, outputs_of, read_tensors
from egbad.service.limits import read_body
from egbad.service.models import ServedModel
from egbad.service.problems import ProblemError
from egbad.service.schemas import INFER_BODY, errors
from egbad.service.tensors import read_request, write_response

LENGTH_HEADER = "Inference-Header-Content-Length"
_BINARY = "application/octet-stream"


def make_router(service: Service) -> APIRouter:
    """Return the routes.

    Parameters
    ----------
    service : Service

    Returns
    -------
    APIRouter
    """
    router = APIRouter(tags=["Open Inference Protocol"])
    _add_server_routes(router, service)
    _add_model_routes(router, service)
    _add_infer_routes(router, service)
    return router


def _add_server_routes(router: APIRouter, service: Service) -> None:
    """Add the routes about the server."""

    @router.get("/v2", summary="Describe the server", response_model=None)
    async def describe() -> Response:
        """Return name, version and extensions of the server."""
        return _json({"name": "egbad", "version": egbad.__version__, "extensions": ["binary_tensor_data"]})

    @router.get("/v2/health/live", summary="Tell that the server lives", response_model=None)
    async def live() -> Response:
        """Answer as long as the process answers requests."""
        return _json({"live": True})

    @router.get("/v2/health/ready", summary="Tell if the server is ready", response_model=None)
    async def ready() -> Response:
        """Answer with status 200 if there are models, and 503 otherwise."""
        found = any(True for _ in service.registry)
        return _json({"live": True, "ready": found}, HTTPStatus.OK if found else HTTPStatus.SERVICE_UNAVAILABLE)


def _add_model_routes(router: APIRouter, service: Service) -> None:
    """Add the routes that describe models, each with and without a version."""
    registry = service.registry

    @router.get("/v2/models/{name}", summary="Describe a model", response_model=None, responses=errors(404))
    @router.get(
        "/v2/models/{name}/versions/{version}", summary="Describe a version", response_model=None, responses=errors(404)
    )
    async def describe_model(name: str, version: str | None = None) -> Response:
        """Return versions, inputs and outputs of a model."""
        model = registry.find(name, version)
        return _json(
            {
                "name": name,
                "versions": registry.versions(name),
                "platform": model.platform,
                "inputs": describe_inputs(model),
                "outputs": describe_outputs(model.terms),
            }
        )

    @router.get(
        "/v2/models/{name}/ready", summary="Tell if a model is ready", response_model=None, responses=errors(404)
    )
    @router.get(
        "/v2/models/{name}/versions/{version}/ready",
        summary="Tell if a version is ready",
        response_model=None,
        responses=errors(404),
    )
    async def model_ready(name: str, version: str | None = None) -> Response:
        """Answer with status 200 if the model is loaded, and 404 otherwise."""
        return _json({"name": registry.find(name, version).name, "ready": True})


def _add_infer_routes(router: APIRouter, service: Service) -> None:
    """Add the routes that score, with and without a version."""
    options: dict[str, Any] = {
        "response_model": None,
        "responses": errors(404, 408, 413, 415, 503, 504),
        "openapi_extra": {"requestBody": INFER_BODY},
    }

    @router.post("/v2/models/{name}/infer", summary="Score tensors", **options)
    @router.post("/v2/models/{name}/versions/{version}/infer", summary="Score tensors with one version", **options)
    async def infer(request: Request, name: str, version: str | None = None) -> Response:
        """Score tensors of rows or images."""
        return await _infer(service, request, service.registry.find(name, version))


async def _infer(service: Service, request: Request, model: ServedModel) -> Response:
    """Answer a request for scores."""
    facts, json_length = facts_of(request), _json_length(request)
    with service.capacity.reserve() as reservation:
        content = await read_body(request, reservation, service.settings, facts.deadline)
        small = is_small(model, content)
        arguments = (content, json_length)
        infer_request, tensors = read_request(*arguments) if small else await service.run(read_request, *arguments)
        read = partial(read_tensors, model.reader, tensors, facts.deadline)
        submission, scored = await score(service, model, read, facts, reservation, inline=small)
        outputs = outputs_of(scored, None if infer_request.outputs is None else [o.name for o in infer_request.outputs])
        stored = await store(service, model, submission, scored, facts)
        response: dict[str, Any] = {"model_name": model.name, "model_version": model.version}
        if infer_request.id is not None:
            response["id"] = infer_request.id
        if stored is not None:
            response["parameters"] = {"stored": stored}
        answer = (response, outputs, infer_request)
        body, length = write_response(*answer) if small else await service.run(write_response, *answer)
    headers = {} if length is None else {LENGTH_HEADER: str(length)}
    return Response(body, headers=headers, media_type=JSON if length is None else _BINARY)


def _json_length(request: Request) -> int | None:
    """Return the number of bytes before binary data, None if there are none."""
    given = request.headers.get(LENGTH_HEADER)
    if media_type_of(request) not in (JSON, _BINARY):
        raise ProblemError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"The Content-Type must be {JSON} or {_BINARY}, got another one."
        )
    if given is None:
        return None
    if not given.isdecimal() or len(given) > 20:
        raise ProblemError(HTTPStatus.BAD_REQUEST, f"{LENGTH_HEADER} must be a number of bytes, got another value.")
    return int(given)


def _json(content: dict[str, Any], status: int = HTTPStatus.OK) -> Response:
    return Response(to_json(content), status, media_type=JSON)
