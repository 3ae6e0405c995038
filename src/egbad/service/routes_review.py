"""Routes of the review pages: the queue of flagged items, and reviews of them."""

import asyncio
from dataclasses import dataclass, fields, replace
from datetime import UTC, date, datetime, time, timedelta
from http import HTTPStatus

import numpy as np
from fastapi import APIRouter, Request, Response
from markupsafe import Markup

from egbad.errors import EgbadError
from egbad.service.context import facts_of
from egbad.service.models import ServedModel
from egbad.service.pages.charts import calibration_chart
from egbad.service.pages.explanations import ItemExplanation, explain_item
from egbad.service.pages.pictures import thumbnail
from egbad.service.pages.site import MAX_NAME, MAX_NOTE, Site, is_script, redirect, set_cookie
from egbad.service.pages.texts import Texts
from egbad.service.pages.views import ItemView, view_item
from egbad.service.problems import ProblemError, one_sentence
from egbad.service.sessions import local_address
from egbad.service.store import ItemFilter, Store, StoredItem

_PAGE = 20  # items
_ALL_COLUMNS = 1_000  # on the page of one item
_STATES = ("waiting", "confirmed", "dismissed")
_NAME_SECONDS = 365 * 86_400  # that a browser keeps the reviewer's name
_THUMBNAIL = 320  # pixels of the longer side


@dataclass(frozen=True)
class QueueQuery:
    """Choice of items, from the address of the queue.

    Attributes
    ----------
    show : {"waiting", "confirmed", "dismissed"}
    order : {"score", "newest"}
    model, key : str
        Empty for any.
    since, until : str
        First and last day in UTC, such as "2026-05-04"; empty for any.
    cursor : str
        Empty for the first page.
    """

    show: str = "waiting"
    order: str = "score"
    model: str = ""
    key: str = ""
    since: str = ""
    until: str = ""
    cursor: str = ""

    @property
    def is_filtered(self) -> bool:
        """True if not all items of the state are chosen."""
        return any((self.key, self.model, self.since, self.until, self.cursor))

    def find(self, store: Store, text: Texts) -> tuple[list[ItemView], str | None]:
        """Return the items of one page, and the cursor of the next."""
        verdict = None if self.show == "waiting" else self.show
        page = store.queue(
            self.order,
            limit=_PAGE,
            cursor=self.cursor or None,
            where=ItemFilter(
                model=self.model or None, key=self.key or None, since=_day(self.since), until=_day(self.until, 1)
            ),
            verdict=verdict,  # type: ignore[arg-type] # `show_queue` has checked it
        )
        return [view_item(store, stored, text) for stored in page.items], page.next


def _day(text: str, later: int = 0) -> datetime | None:
    """Return the beginning of a day in UTC or of one some days later, None for any other text."""
    try:
        return datetime.combine(date.fromisoformat(text), time.min, UTC) + timedelta(days=later)
    except (ValueError, OverflowError):
        return None


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

    @router.get("/review")
    async def queue(request: Request) -> Response:
        names = [field.name for field in fields(QueueQuery)]
        given = {name: value for name, value in request.query_params.items() if name in names}
        return await _show_queue(site, request, QueueQuery(**given))

    @router.post("/review/reviewer")
    async def save_name(request: Request) -> Response:
        form = await site.read_form(request)
        name = site.check_length(request, "reviewer", form.get("reviewer", ""), MAX_NAME)
        response = Response(status_code=204) if is_script(request) else redirect(local_address(form.get("back", "")))
        set_cookie(request, response, "reviewer", name, _NAME_SECONDS)
        return response

    @router.get("/review/items/{item_id:int}")
    async def show(request: Request, item_id: int) -> Response:
        return await _show_item(site, request, await find_item(site, request, item_id))

    @router.get("/review/items/{item_id:int}/image")
    async def image(request: Request, item_id: int) -> Response:
        stored = await find_item(site, request, item_id)
        content = stored.item.payload
        if content is None or not (stored.item.media_type or "").startswith("image/"):
            raise ProblemError(HTTPStatus.NOT_FOUND, site.texts(request)("not_kept"))
        picture = await site.service.run(thumbnail, content, site.service.settings.max_pixels, _THUMBNAIL)
        return Response(picture, media_type="image/png")

    @router.post("/review/items/{item_id:int}")
    async def review(request: Request, item_id: int) -> Response:
        form = await site.read_form(request)
        return await _review(site, request, item_id, form)

    return router


async def find_item(site: Site, request: Request, item_id: int) -> StoredItem:
    """Return an item with its row or image.

    Parameters
    ----------
    site : Site
    request : Request
    item_id : int

    Returns
    -------
    StoredItem

    Raises
    ------
    ProblemError
        With status 404 if there is no store or no such item.
    """
    text, store = site.texts(request), site.store
    if store is None:
        raise ProblemError(HTTPStatus.NOT_FOUND, text("no_store"))
    stored = await asyncio.to_thread(store.get, item_id)
    if stored is None:
        raise ProblemError(HTTPStatus.NOT_FOUND, text("no_item", id=item_id))
    return stored


async def _show_queue(site: Site, request: Request, query: QueueQuery) -> Response:
    """Return the page of the queue."""
    store, text = site.store, site.texts(request)
    if store is None:
        return site.show(request, "no_store.html.jinja")
    if query.show not in _STATES:
        query = replace(query, show="waiting")
    items, following = await asyncio.to_thread(query.find, store, text)
    kept = {name: value for name, value in vars(query).items() if name != "cursor"}
    names = {*(model.name for model in site.service.registry), *(item.model.rpartition("@")[0] for item in items)}
    return site.show(
        request,
        "queue.html.jinja",
        query=query,
        states=_STATES,
        items=items,
        kept=kept,
        next=following,
        models=sorted(names | ({query.model} if query.model else set())),
    )


async def _show_item(site: Site, request: Request, stored: StoredItem) -> Response:
    """Return the page of one item."""
    store, text, item = site.store, site.texts(request), stored.item
    assert store is not None
    view = await asyncio.to_thread(view_item, store, stored, text, _ALL_COLUMNS)
    model = site.service.registry.find_scored(item.digest)
    explanation, problem, chart = ItemExplanation(), "", Markup("")
    if model is None:
        problem = text("model_gone")
    else:
        scores = np.asarray(model.scorer.calibration_scores_)
        chart = calibration_chart(scores, item.score, model.threshold, text)
        try:
            if item.payload is not None:
                explanation = await _explain(site, request, model, stored)
        except (EgbadError, ProblemError) as error:
            problem = error.detail if isinstance(error, ProblemError) else one_sentence(error)
    return site.show(
        request,
        "item.html.jinja",
        item=view,
        history=await asyncio.to_thread(store.history, stored.id),
        explanation=explanation,
        problem=problem,
        chart=chart,
    )


async def _explain(site: Site, request: Request, model: ServedModel, stored: StoredItem) -> ItemExplanation:
    """Explain the score of an item on a worker thread, before the deadline of the request."""
    deadline, store = facts_of(request).deadline, site.store
    text = site.texts(request)
    assert store is not None
    with site.service.capacity.reserve() as reservation:
        reservation.add(rows=1, bytes=len(stored.item.payload or b""))
        try:
            async with asyncio.timeout_at(deadline):
                return await site.service.run(explain_item, model, stored, store, text, deadline)
        except TimeoutError as error:
            raise ProblemError(HTTPStatus.GATEWAY_TIMEOUT, text("explanation_late")) from error


async def _review(site: Site, request: Request, item_id: int, form: dict[str, str]) -> Response:
    """Store a review, and return the card of the item or the page that the form came from."""
    await find_item(site, request, item_id)
    store, text = site.store, site.texts(request)
    assert store is not None
    note = site.check_length(request, "note", form.get("note", ""), MAX_NOTE)
    name = site.check_length(request, "reviewer", form.get("reviewer", site.reviewer(request)), MAX_NAME)
    await asyncio.to_thread(store.review, item_id, form.get("verdict", ""), name, note)
    back = local_address(form.get("back", ""))
    if not is_script(request):
        return redirect(f"{back.partition('#')[0]}#item-{item_id}")
    stored = await find_item(site, request, item_id)
    view = await asyncio.to_thread(view_item, store, stored, text)
    return site.show(request, "card.html.jinja", item=view, here=back, undone=form.get("verdict") == "undone")
