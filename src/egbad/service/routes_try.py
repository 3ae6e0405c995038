"""Routes of the page on which people try a model with files of their own. Nothing of it is stored."""

from functools import partial
from http import HTTPStatus
from typing import Any

import numpy as np
from fastapi import APIRouter, Request, Response

from egbad.service.answers import media_type_of, read_submission, score
from egbad.service.bodies import Submission
from egbad.service.context import facts_of
from egbad.service.limits import Reservation, read_body
from egbad.service.models import ServedModel
from egbad.service.pages.site import Site
from egbad.service.scoring import Scored

_SHOWN = 100  # rows of a result, those with the highest scores


def make_router(site: Site) -> APIRouter:
    """Return the routes.

    Parameters
    ----------
    site : Site

    Returns
    -------
    APIRouter
    """
    router, service = site.router(), site.service

    @router.get("/try")
    async def ask(request: Request) -> Response:
        return _show(site, request, request.query_params.get("model", ""))

    @router.post("/try")
    async def score_text(request: Request) -> Response:
        form = await site.read_form(request, service.settings.max_body)
        model, rows = service.registry.find(form.get("model", "")), form.get("rows", "")
        with service.capacity.reserve() as reservation:
            result = await _score(site, request, model, "text/csv", rows.encode(errors="replace"), reservation)
        return _show(site, request, model.name, rows=rows, **result)

    @router.post("/try/score")
    async def score_file(request: Request) -> Response:
        site.check_form(request, request.headers.get("x-csrf-token", ""))
        model = service.registry.find(request.query_params.get("model", ""))
        with service.capacity.reserve() as reservation:
            content = await read_body(request, reservation, service.settings, facts_of(request).deadline)
            result = await _score(site, request, model, media_type_of(request), content, reservation)
        name = request.query_params.get("name", "")
        return site.show(request, "scores.html.jinja", HTTPStatus.OK, file=name, **result)

    return router


def _show(site: Site, request: Request, name: str, **values: Any) -> Response:
    """Return the page, with a result if there is one."""
    models = [site.service.registry.find(name) for name in sorted({model.name for model in site.service.registry})]
    shown = {"rows": "", "file": "", "results": None, **values}
    return site.show(request, "try.html.jinja", models=models, model=name, **shown)


async def _score(
    site: Site, request: Request, model: ServedModel, media_type: str, content: bytes, reservation: Reservation
) -> dict[str, Any]:
    """Score a file as the API does, and return what the table of results shows."""
    facts = facts_of(request)
    read = partial(read_submission, model.reader, media_type, content, facts.deadline)
    submission, scored = await score(site.service, model, read, facts, reservation)
    return await site.service.run(_table, model, submission, scored)


def _table(model: ServedModel, submission: Submission, scored: list[Scored]) -> dict[str, Any]:
    """Return the rows with the highest scores, and the number of all."""
    scores, p_values, flagged = (
        np.concatenate([getattr(one, name) for one in scored]) for name in ("scores", "p_values", "flagged")
    )
    order = np.argsort(-scores, kind="stable")[:_SHOWN]
    results = []
    for i in order.tolist():
        names = submission.repeated[i] if submission.repeated else {}
        key = next((str(value) for value in names.values() if value is not None), "")
        results.append((i + 1, key, f"{scores[i]:.4g}", f"{p_values[i]:.3g}", bool(flagged[i])))
    return {
        "results": results,
        "total": len(scores),
        "n_flagged": int(flagged.sum()),
        "threshold": f"{model.threshold:.4g}",
        "kind": model.scorer.kind_,
    }
