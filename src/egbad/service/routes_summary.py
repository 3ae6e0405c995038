"""Route of the summary: measured precision, flagged items by day, and the share flagged beside alpha."""

import asyncio
from dataclasses import dataclass

from fastapi import APIRouter, Request, Response
from markupsafe import Markup

from egbad.report.messages import percent
from egbad.service.context import Service
from egbad.service.pages.charts import daily_chart, first_of_days
from egbad.service.pages.site import Site
from egbad.service.pages.texts import Texts
from egbad.service.store import ItemFilter, ModelCounts, Period, Store
from egbad.service.store.reviews import measured_precision

_DAYS = 30


@dataclass(frozen=True)
class ModelSummary:
    """Numbers of one model file as the page shows them.

    Attributes
    ----------
    name : str
    digest : str
        Beginning of the digest.
    counts : ModelCounts
    precision, precision_interval : str
        Empty without reviews.
    share, share_interval : str
        Share of items that were flagged.
    alpha : str
        Empty if the model is not served any more.
    comparison : str
        Sentence that compares the share with alpha, or empty.
    """

    name: str
    digest: str
    counts: ModelCounts
    precision: str
    precision_interval: str
    share: str
    share_interval: str
    alpha: str
    comparison: str


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

    @router.get("/review/summary")
    async def summary(request: Request) -> Response:
        store, text = site.store, site.texts(request)
        if store is None:
            return site.show(request, "no_store.html.jinja")
        name = request.query_params.get("model", "")
        models, days = await asyncio.to_thread(_count, store, name)
        return site.show(
            request,
            "summary.html.jinja",
            models=[_summarize(site.service, counts, text) for counts in models],
            names=sorted({*(counts.model for counts in models), *(model.name for model in site.service.registry)}),
            model=name,
            days=days,
            chart=daily_chart(days, _DAYS, text) if days else Markup(""),
            n_days=_DAYS,
        )

    return router


def _count(store: Store, name: str) -> tuple[tuple[ModelCounts, ...], tuple[Period, ...]]:
    """Return the counts of all models or of one, and of the last days."""
    recent = ItemFilter(model=name or None, since=first_of_days(_DAYS))
    return store.models(ItemFilter(model=name or None)), store.counts("day", recent)


def _summarize(service: Service, counts: ModelCounts, text: Texts) -> ModelSummary:
    """Return the numbers of a model as the page shows them."""
    alpha = next((float(one.scorer.alpha) for one in service.registry if counts.digest in one.digests), None)
    found = measured_precision(counts.confirmed, counts.dismissed)
    flagged = measured_precision(counts.flagged, counts.scored - counts.flagged)  # the same interval of a share
    comparison = ""
    if alpha is not None:
        comparison = "above_alpha" if flagged.low > alpha else "below_alpha" if flagged.high < alpha else "like_alpha"

    def interval(low: float, high: float) -> str:
        return text("interval", low=percent(low), high=percent(high))

    return ModelSummary(
        name=f"{counts.model}@{counts.version}",
        digest=counts.digest[:12],
        counts=counts,
        precision="" if found.share is None else percent(found.share),
        precision_interval="" if found.share is None else interval(found.low, found.high),
        share=percent(counts.flagged_share),
        share_interval=interval(flagged.low, flagged.high),
        alpha="" if alpha is None else percent(alpha),
        comparison=text(comparison) if comparison else "",
    )
