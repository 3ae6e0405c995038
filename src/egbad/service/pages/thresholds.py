"""Flags at other false-alarm rates: the threshold of each, and how many stored items are above it."""

from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from egbad.report.messages import percent
from egbad.scoring import calibration
from egbad.service.models import ServedModel
from egbad.service.pages.charts import score_chart
from egbad.service.pages.texts import Texts
from egbad.service.store import ItemFilter, Store

_STEPS = 80  # of the slider, at most
_DRAWN = 5_000  # newest stored items in the chart


@dataclass(frozen=True)
class Flags:
    """Flags at one false-alarm rate, as the page shows them.

    Attributes
    ----------
    step, last_step : int
        Position of the slider, and the highest one.
    value : str
        Position of the slider in words.
    sentence : str
    note : str
        Empty if all stored items are drawn.
    chart : Markup
    """

    step: int
    last_step: int
    value: str
    sentence: str
    note: str
    chart: Markup


def alpha_steps(m: int, alpha: float) -> list[float]:
    """Return the false-alarm rates of a slider: those at which the threshold of m calibration scores changes, and one more.

    Parameters
    ----------
    m : int
        Number of calibration scores.
    alpha : float
        False-alarm rate of the model, which is one of the results.

    Returns
    -------
    list of float
        From ``1 / (m + 1)`` to about 0.5, ascending. More than 80 are thinned, evenly in their logarithms.

    Examples
    --------
    >>> [round(rate, 3) for rate in alpha_steps(9, 0.05)]
    [0.05, 0.1, 0.2, 0.3, 0.4, 0.5]
    """
    ranks = np.geomspace(1, max(1, (m + 1) // 2), _STEPS).round()
    return sorted({*(np.unique(ranks) / (m + 1)).tolist(), alpha})


def flags_at(model: ServedModel, store: Store | None, step: int | None, text: Texts) -> Flags:
    """Return the flags at a false-alarm rate.

    Parameters
    ----------
    model : ServedModel
    store : Store, optional
    step : int, optional
        Position of the slider. By default that of the model's own rate.
    text : Texts

    Returns
    -------
    Flags
    """
    scores, own = np.asarray(model.scorer.calibration_scores_), float(model.scorer.alpha)
    steps = alpha_steps(len(scores), own)
    at = steps.index(own) if step is None else min(max(step, 0), len(steps) - 1)
    threshold = model.threshold if steps[at] == own else calibration.threshold(scores, steps[at])
    shown = {"alpha": percent(steps[at]), "threshold": f"{threshold:.4g}"}
    where = ItemFilter(model=model.name, digests=model.digests)
    above, total = (0, 0) if store is None else store.count_above(threshold, where)
    stored, note = np.empty(0), ""
    if store is not None and total:
        now = store.count_above(model.threshold, where)[0]
        counts = {"flagged": f"{above:,}", "total": f"{total:,}", "share": percent(above / total), "now": f"{now:,}"}
        sentence, stored = text("would_flag", **shown, **counts), store.arrivals(where, newest=_DRAWN).scores
        note = text("would_flag_newest", n=f"{_DRAWN:,}") if total > _DRAWN else ""
    else:
        sentence = text("would_flag_none", **shown)
    chart = score_chart(scores, stored, threshold, model.threshold, text)
    return Flags(at, len(steps) - 1, text("alpha_value", alpha=shown["alpha"]), sentence, note, chart)
