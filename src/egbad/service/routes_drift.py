"""Route of the page about drift: comparison of the items of a model with its calibration rows."""

import asyncio
from dataclasses import dataclass
from math import log10
from typing import Any

from fastapi import APIRouter, Request, Response
from markupsafe import Markup

from egbad.errors import shorten
from egbad.report.messages import percent
from egbad.scoring.drift import ColumnResult, DriftReport
from egbad.service.drift import LEVEL, NEWEST, DriftTracker
from egbad.service.models import ServedModel
from egbad.service.pages.charts import evidence_chart, first_of_days, share_chart
from egbad.service.pages.site import Site
from egbad.service.pages.texts import Texts
from egbad.service.store import ItemFilter, Period, Store
from egbad.service.store.reviews import measured_precision

_DAYS = 30
_LISTED = 5  # columns that a sentence names
_TABLE = 50  # columns of the table


@dataclass(frozen=True)
class DriftView:
    """Comparison of the items of a model with its calibration rows, as the page shows it.

    Attributes
    ----------
    kind : str
        Of a `DriftReport`.
    sentences : tuple of str
    facts : tuple of (str, str)
    evidence : Markup
        Chart.
    columns : tuple of ColumnResult
        Most clearly changed first.
    """

    kind: str
    sentences: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]
    evidence: Markup
    columns: tuple[ColumnResult, ...]


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

    @router.get("/review/drift")
    async def show(request: Request) -> Response:
        store, text = site.store, site.texts(request)
        if store is None or service.drift is None:
            return site.show(request, "no_store.html.jinja")
        names = sorted({model.name for model in service.registry})
        if not names:
            return site.show(request, "drift.html.jinja", names=[], model="")
        model = service.registry.find(request.query_params.get("model") or names[0])
        drift = await asyncio.to_thread(_view, service.drift.find(model), store, text)
        days, chart = await asyncio.to_thread(_by_day, model, store, text)
        values: dict[str, Any] = {"names": names, "model": model.name, "kind": model.scorer.kind_}
        return site.show(request, "drift.html.jinja", **values, drift=drift, days=days, chart=chart)

    return router


def _view(tracker: DriftTracker, store: Store, text: Texts) -> DriftView | None:
    """Return the comparison as the page shows it, None if nothing was scored."""
    report = tracker.update(store)
    if report is None:
        return None
    return DriftView(
        kind=report.kind,
        sentences=tuple(_sentences(report, text, is_clipped=tracker.is_clipped)),
        facts=_facts(report, text),
        evidence=evidence_chart(tracker.trend, log10(report.martingale.threshold), text),
        columns=report.columns[:_TABLE] if tracker.n_compared else (),
    )


def _sentences(report: DriftReport, text: Texts, *, is_clipped: bool) -> list[str]:
    """Describe the result."""
    flagged, row = report.flagged, report.martingale.alarm_row
    values = {"share": percent(flagged.share), "expected": percent(flagged.expected), "row": f"{row or 0:,}"}
    sentences = [text(f"drift_{report.kind}", **values)]
    changed = [shorten(column.column) for column in report.columns if column.drift][:_LISTED]
    if changed:
        sentences.append(text("drift_columns", columns=", ".join(changed)))
    if report.kind == "shift":
        sentences.append(text("drift_advice_shift"))
    if is_clipped:
        sentences.append(text("drift_newest", n=f"{NEWEST:,}"))
    return [*sentences, text("drift_level", level=percent(LEVEL))]


def _facts(report: DriftReport, text: Texts) -> tuple[tuple[str, str], ...]:
    """Return the figures with their names."""
    flagged, evidence, row = report.flagged, report.martingale, report.martingale.alarm_row
    interval = text("interval", low=percent(flagged.low), high=percent(flagged.high))
    capital = {"value": f"{evidence.max_value:.3g}", "alarm": f"{evidence.threshold:,.0f}"}
    return (
        (text("drift_items"), f"{report.rows:,}"),
        (text("fact_calibration_rows"), f"{report.calibration_rows:,}"),
        (text("drift_flagged"), f"{percent(flagged.share)} ({interval})"),
        (text("drift_expected"), percent(flagged.expected)),
        (
            text("drift_capital"),
            text("drift_capital_value", **capital)
            if row is None
            else text("drift_capital_alarm", **capital, row=f"{row:,}"),
        ),
        (text("drift_scores"), f"{report.scores.p_value:.3g}"),
        (text("drift_usual"), f"{report.usual_scores.p_value:.3g}"),
    )


def _by_day(model: ServedModel, store: Store, text: Texts) -> tuple[tuple[Period, ...], Markup]:
    """Return the counts of the last days, and a chart of the share flagged."""
    days = store.counts("day", ItemFilter(model=model.name, digests=model.digests, since=first_of_days(_DAYS)))
    if not days:
        return days, Markup("")
    shares = [measured_precision(day.flagged, day.scored - day.flagged) for day in days]  # the interval of a share
    intervals = [(share.low, share.high) for share in shares]
    return days, share_chart(days, intervals, _DAYS, float(model.scorer.alpha), text)
