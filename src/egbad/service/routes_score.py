"""Routes that score, and that describe the models."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic_core import to_json

from egbad.service.answers import JSON, score_request
from egbad.service.context import Service
from egbad.service.schemas import SCORE_BODY, ModelDescription, ModelList, ScoreAnswer, errors

Explain = Annotated[bool, Query(description="Add the columns or regions with the largest shares of each score.")]


def make_router(service: Service) -> APIRouter:
    """Return the routes.

    Parameters
    ----------
    service : Service

    Returns
    -------
    APIRouter
    """
    router = APIRouter(tags=["scores"])
    description: dict[str, Any] = {
        "response_model": None,
        "responses": {200: {"model": ScoreAnswer, "description": "Scores."}, **errors(404, 408, 413, 415, 503, 504)},
        "openapi_extra": {"requestBody": SCORE_BODY},
    }

    @router.post("/v1/models/{name}/score", summary="Score rows or images", **description)
    async def score(request: Request, name: str, explain: Explain = False) -> Response:
        """Score rows as JSON, CSV or Parquet, or images as files, in base64, or in a zip archive."""
        return await score_request(service, request, service.registry.find(name), explain)

    @router.post("/v1/models/{name}/versions/{version}/score", summary="Score with one version", **description)
    async def score_version(request: Request, name: str, version: str, explain: Explain = False) -> Response:
        """Score with a version that is not the default."""
        return await score_request(service, request, service.registry.find(name, version), explain)

    @router.get("/v1/models", summary="List the models", response_model=None, responses={200: {"model": ModelList}})
    async def list_models() -> Response:
        """List all versions of all models."""
        return Response(to_json({"models": [model.describe() for model in service.registry]}), media_type=JSON)

    @router.get(
        "/v1/models/{name}",
        summary="Describe a model",
        response_model=None,
        responses={200: {"model": ModelDescription}, **errors(404)},
    )
    async def describe(name: str) -> Response:
        """Describe the default version of a model."""
        return Response(to_json(service.registry.find(name).describe()), media_type=JSON)

    return router
