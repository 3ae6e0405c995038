"""Routes of the page of one model: flags at other false-alarm rates, its card, and recalibration."""

import asyncio
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Request, Response

from egbad.service.models import ServedModel
from egbad.service.pages.model_card import model_card
from egbad.service.pages.site import Linker, Site, redirect
from egbad.service.pages.texts import Texts
from egbad.service.pages.thresholds import flags_at
from egbad.service.problems import ProblemError
from egbad.service.recalibration import MOST, count_normal, recalibrated, refuse_recalibration
from egbad.service.store import ItemFilter, Store

_PAGE = "/review/models"
_FORM = "/review/admin/recalibrate"


@dataclass(frozen=True)
class Recalibratable:
    """Facts about recalibration, as the page shows them.

    Attributes
    ----------
    problem : str
        Sentence that says why a model cannot be recalibrated, or empty.
    note, waiting : str
        Sentences, the second one empty if no flagged items wait.
    alpha : float
    """

    problem: str
    note: str
    waiting: str
    alpha: float


def make_router(site: Site) -> APIRouter:
    """Return the routes.

    Parameters
    ----------
    site : Site

    Returns
    -------
    APIRouter
    """
    router = site.router()
    recalibrating = asyncio.Lock()  # one model at a time: bounds memory

    @router.get(_PAGE)
    async def show(request: Request) -> Response:
        return await _show(site, request)

    @router.get(f"{_PAGE}/flags")
    async def flags(request: Request) -> Response:
        model, text = _find(site, dict(request.query_params)), site.texts(request)
        found = await asyncio.to_thread(flags_at, model, site.store, _step(request), text)
        return site.show(request, "flags.html.jinja", flags=found)

    @router.get(_FORM)
    @router.get(f"{_FORM}/undo")
    async def lead_back() -> Response:
        return redirect(_PAGE)  # from the page that asks for the token of an administrator

    @router.post(_FORM)
    async def recalibrate(request: Request) -> Response:
        form = await site.read_form(request)
        async with recalibrating:
            return await _recalibrate(site, request, form)

    @router.post(f"{_FORM}/undo")
    async def undo(request: Request) -> Response:
        form = await site.read_form(request)
        async with recalibrating:
            model = _find(site, form)
            original = await asyncio.to_thread(site.service.loader.undo_recalibration, model)
            return _serve(site, request, model, original, "recalibration undone")

    return router


def _find(site: Site, given: dict[str, str]) -> ServedModel:
    """Return the model that a query or form names, the first one by default."""
    registry = site.service.registry
    name = given.get("model") or next(iter(sorted({model.name for model in registry})), "")
    return registry.find(name, given.get("version") or None)


def _step(request: Request) -> int | None:
    """Return the position of the slider, None without a valid one."""
    step = request.query_params.get("step", "")
    return int(step) if step.isascii() and step.isdecimal() and len(step) < 9 else None


async def _show(site: Site, request: Request) -> Response:
    """Return the page of one model."""
    text, models = site.texts(request), [*site.service.registry]
    if not models:
        return site.show(request, "model.html.jinja", model=None)
    model = _find(site, dict(request.query_params))
    return site.show(
        request,
        "model.html.jinja",
        model=model,
        models=sorted(models, key=lambda one: (one.name, one.version)),
        flags=await asyncio.to_thread(flags_at, model, site.store, _step(request), text),
        card=model_card(model, text),
        recalibration=await asyncio.to_thread(_recalibratable, model, site.store, text),
        may_administrate=site.may_administrate(request),
    )


def _recalibratable(model: ServedModel, store: Store | None, text: Texts) -> Recalibratable:
    """Return the facts about the recalibration of a model."""
    alpha = float(model.scorer.alpha)
    n = waiting = 0
    if store is not None:
        where = ItemFilter(model=model.name, digests=model.digests)
        n, waiting = count_normal(model, store), sum(one.waiting for one in store.models(where))
    return Recalibratable(
        refuse_recalibration(model, n, alpha, text),
        text("recalibrate_note", n=f"{min(n, MOST):,}"),
        text("recalibrate_waiting", n=f"{waiting:,}") if waiting else "",
        alpha,
    )


async def _recalibrate(site: Site, request: Request, form: dict[str, str]) -> Response:
    """Recalibrate a model, serve the result in its place, and return to its page, which says what has changed."""
    text, store = site.texts(request), site.store
    model, alpha = _find(site, form), _alpha(form.get("alpha", ""), text)
    if store is None:
        raise ProblemError(HTTPStatus.CONFLICT, text("recalibrate_none"))
    new = await asyncio.to_thread(recalibrated, site.service.loader, model, store, alpha, text)
    return _serve(site, request, model, new, "model recalibrated")


def _serve(site: Site, request: Request, model: ServedModel, new: ServedModel, event: str) -> Response:
    """Serve a model in place of another one, and return to its page, which says what has changed."""
    site.service.registry.replace(model, new)
    facts: dict[str, Any] = {"model": new.name, "version": new.version, "earlier": model.digest, "digest": new.digest}
    site.service.logger.info(event, **facts, threshold=new.threshold)
    return redirect(Linker(request)(_PAGE, {"model": new.name, "version": new.version}) + "#recalibrate")


def _alpha(given: str, text: Texts) -> float:
    """Return the false-alarm rate of a form."""
    try:
        alpha = float(given)
    except ValueError:
        alpha = 0.0
    if not 0 < alpha < 1:
        raise ProblemError(HTTPStatus.BAD_REQUEST, text("recalibrate_alpha", found=given[:20]))
    return alpha
