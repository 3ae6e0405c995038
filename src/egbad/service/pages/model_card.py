"""Model card: the facts about a model that people ask for first, and its whole description."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from egbad.errors import shorten
from egbad.report.messages import percent
from egbad.service.models import ServedModel
from egbad.service.pages.texts import Texts

_LONGEST = 300  # characters of a value


@dataclass(frozen=True)
class ModelCard:
    """A model as its page describes it.

    Attributes
    ----------
    facts : tuple of (str, str)
        Names in the language of the page, and values.
    everything : tuple of (str, str)
        Description by the library, with the names that it has there.
    recalibrated : str
        Sentence about a threshold that was set anew, or empty.
    """

    facts: tuple[tuple[str, str], ...]
    everything: tuple[tuple[str, str], ...]
    recalibrated: str


def model_card(model: ServedModel, text: Texts) -> ModelCard:
    """Return the card of a model.

    Parameters
    ----------
    model : ServedModel
    text : Texts

    Returns
    -------
    ModelCard
    """
    description: Mapping[str, Any] = model.scorer.describe()
    known = {name: value for name, value in description.items() if value is not None}
    given = {
        "detector": known.get("detector"),
        "kind": text(f"kind_{model.scorer.kind_}"),
        "shape": " x ".join(map(str, model.scorer.shape_)),
        "training_rows": known.get("training_rows"),
        "calibration_rows": len(model.scorer.calibration_scores_),
        "alpha": percent(float(model.scorer.alpha)),
        "threshold": model.threshold,
        "false_alarm_rate": percent(known["false_alarm_rate"]) if "false_alarm_rate" in known else None,
        "normal_label": known.get("normal_label"),
        "seed": known.get("seed"),
        "fit_seconds": known.get("fit_seconds"),
        "platform": model.platform,
        "digest": model.digest,
    }
    facts = tuple((text(f"fact_{name}"), _show(value)) for name, value in given.items() if value is not None)
    return ModelCard(facts, tuple(_flatten(description)), _recalibrated(model, known.get("recalibration"), text))


def _recalibrated(model: ServedModel, found: Mapping[str, Any] | None, text: Texts) -> str:
    """Return a sentence about a recalibration, empty if there was none."""
    if found is None:
        return ""
    return text(
        "recalibrated",
        n=f"{found['rows']:,}",
        earlier=f"{found['earlier_threshold']:.4g}",
        threshold=f"{model.threshold:.4g}",
        share=percent(found["earlier_flagged"]),
    )


def _flatten(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield the values of nested mappings with names such as "parameters.alpha"."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", _show(value)


def _show(value: Any) -> str:
    """Return a value as text of bounded length."""
    if isinstance(value, bool) or value is None:
        return "-" if value is None else str(value).lower()
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list | tuple):
        return shorten(", ".join(map(_show, value)) or "-", _LONGEST)
    return shorten(str(value), _LONGEST)
