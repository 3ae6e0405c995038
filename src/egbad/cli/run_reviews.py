"""The work of `egbad reviews`."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any

from egbad.cli.options import check_suffix
from egbad.cli.output import count_of, note, print_json
from egbad.cli.output_check import check_outputs
from egbad.cli.run_store import sqlite_path
from egbad.cli.score_output import open_score_table
from egbad.cli.tables import print_values
from egbad.errors import InvalidInputError
from egbad.output_files import atomic_write
from egbad.service.store import ItemFilter, ModelCounts, Store, StoredItem, open_store
from egbad.service.store.reviews import (
    ANOMALY,
    NORMAL,
    label_of,
    labelled_table,
    measured_precision,
    threshold_for_false_alarms,
)

_TABLES = (".csv", ".parquet")
_IMAGE_SUFFIXES = {"image/png": ".png", "image/jpeg": ".jpg", "image/bmp": ".bmp", "image/tiff": ".tiff"}


def parse_filter(model: str | None, digest: str | None, since: str | None) -> ItemFilter:
    """Return the conditions that options stand for.

    Parameters
    ----------
    model, digest : str, optional
    since : str, optional
        Time in ISO 8601; without a zone it is UTC.

    Returns
    -------
    ItemFilter

    Raises
    ------
    InvalidInputError
        If the time is none.
    """
    if since is None:
        return ItemFilter(model, digest)
    try:
        time = datetime.fromisoformat(since)
    except ValueError as error:
        raise InvalidInputError(f"--since must be a time such as 2026-03-01T08:00:00+01:00, got '{since}'.") from error
    return ItemFilter(model, digest, time if time.tzinfo else time.replace(tzinfo=UTC))


# -- export ------------------------------------------------------------------------------------------------------------


def export(url: str, out: Path, where: ItemFilter, *, n_unflagged: int, label_column: str, as_json: bool) -> None:
    """Write the labelled items of a store to a table or to a folder of images.

    Parameters
    ----------
    url : str
    out : Path
        A .csv or .parquet file, or a new folder.
    where : ItemFilter
    n_unflagged : int
        Items that were not flagged to add as normal ones.
    label_column : str
    as_json : bool

    Raises
    ------
    InvalidInputError
        If there is nothing to write, or the format does not fit the items.
    """
    if out.suffix:
        check_suffix(out, _TABLES, "labelled rows")
        check_outputs({"--out": out}, {"STORE": sqlite_path(url)})
    elif out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InvalidInputError(f"--out must name a new or empty folder, got '{out}'. Choose another.")
    with open_store(url, create=False) as store:
        items = _labelled(store, where, n_unflagged)
        counts = _write_table(items, out, label_column) if out.suffix else _write_images(items, out)
    if as_json:
        print_json(counts | {"out": str(out)})
        return
    left_out = f", {counts['left_out']:,} left out (no {counts['content']} is kept)" if counts["left_out"] else ""
    what = count_of(counts[ANOMALY] + counts[NORMAL], counts["content"])
    note(f"{what} ({counts[ANOMALY]:,} {ANOMALY}, {counts[NORMAL]:,} {NORMAL}){left_out}, written to {out}.")


def _labelled(store: Store, where: ItemFilter, n_unflagged: int) -> Iterator[StoredItem]:
    """Yield reviewed items, and some that were not flagged; raise if there are none."""
    items = chain(store.labelled(where), store.unflagged(where, n_unflagged))
    first = next(items, None)
    if first is None:
        raise InvalidInputError(
            f"The store '{store.name}' has no reviewed items of this kind. Review some, or name another model or time."
        )
    return chain([first], items)


def _write_table(items: Iterable[StoredItem], out: Path, label_column: str) -> dict[str, Any]:
    """Write items as a table, and return what was written."""
    found = labelled_table(items, label_column)
    with open_score_table(out) as table:
        table.write({name: found.table[name] for name in found.table.column_names})
    labels = found.table[label_column].to_pylist()
    counts = {label: labels.count(label) for label in (ANOMALY, NORMAL)}
    return {"content": "row" if found.has_rows else "score"} | counts | {"left_out": found.n_left_out}


def _write_images(items: Iterable[StoredItem], folder: Path) -> dict[str, Any]:
    """Write images into one folder for each label, and return what was written."""
    counts = {ANOMALY: 0, NORMAL: 0, "left_out": 0}
    for stored in items:
        suffix = _IMAGE_SUFFIXES.get(stored.item.media_type or "")
        if stored.item.payload is None or suffix is None:
            counts["left_out"] += 1
            continue
        label = label_of(stored)
        (folder / label).mkdir(parents=True, exist_ok=True)
        with atomic_write(folder / label / f"{stored.id}{suffix}") as draft:
            draft.write_bytes(stored.item.payload)
        counts[label] += 1
    if not counts[ANOMALY] + counts[NORMAL]:
        raise InvalidInputError("No images are kept for these items. Name a .csv or .parquet file for rows or scores.")
    return {"content": "image"} | counts


# -- summary -----------------------------------------------------------------------------------------------------------


def summarize(url: str, where: ItemFilter, *, rate: float, as_json: bool) -> None:
    """Print the counts, the precision and a threshold for each model of a store.

    Parameters
    ----------
    url : str
    where : ItemFilter
    rate : float
        False-alarm rate of the threshold.
    as_json : bool

    Raises
    ------
    InvalidInputError
        If the store has no items.
    """
    with open_store(url, create=False) as store:
        models = [_describe(store, model, where, rate) for model in store.models(where)]
    if as_json:
        print_json({"store": store.name, "rate": rate, "models": models})
        return
    if not models:
        raise InvalidInputError(f"The store '{store.name}' has no items of this kind.")
    for model in models:
        title = f"{model.pop('model')} {model.pop('version')}"
        interval = model.pop("precision_interval")
        if model["precision"] is not None:
            model["precision"] = f"{model['precision']:.1%} (95% interval {interval[0]:.1%} to {interval[1]:.1%})"
        model["flagged"] = f"{model['flagged']:,} ({model.pop('flagged_share'):.2%})"
        print_values(title, {name: value for name, value in model.items() if value is not None}, as_json=False)


def _describe(store: Store, model: ModelCounts, where: ItemFilter, rate: float) -> dict[str, Any]:
    """Return the figures of one model as JSON stores them."""
    found = measured_precision(model.confirmed, model.dismissed)
    values = asdict(model) | {
        "first": model.first.isoformat(),
        "last": model.last.isoformat(),
        "flagged_share": model.flagged_share,
        "waiting": model.waiting,
        "precision": found.share,
        "precision_interval": [found.low, found.high],
    }
    own = ItemFilter(model.model, model.digest, where.since)
    try:
        alarms = threshold_for_false_alarms(store.score_groups(own), rate)
    except InvalidInputError as error:
        return values | {"threshold": None, "no_threshold": str(error)}
    return values | {
        "threshold": alarms.threshold,
        "false_alarm_rate": alarms.rate,
        "current_false_alarm_rate": alarms.current_rate,
        "normal_items": alarms.normal_items,
        "no_threshold": None,
    }
