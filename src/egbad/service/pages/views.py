"""Items of the store as pages show them."""

import json
from dataclasses import dataclass
from typing import Any

from egbad.errors import shorten
from egbad.service.pages.texts import Texts
from egbad.service.store import Review, Store, StoredItem

_SHOWN_COLUMNS, _SHOWN_CHARACTERS = 8, 80  # on a card


@dataclass(frozen=True)
class ItemView:
    """An item as pages show it.

    Attributes
    ----------
    id : int
    name : str
        Key, or the number of an item without one.
    score, p_value : str
    time, moment : str
        For people, and for programs.
    model : str
        Name and version.
    state : {"waiting", "confirmed", "dismissed"}
    review : Review, optional
        The newest one.
    values : tuple of (str, str)
        Values of the row by column, empty if it is not kept.
    n_more : int
        Number of columns that are not shown.
    has_image : bool
    """

    id: int
    name: str
    score: str
    p_value: str
    time: str
    moment: str
    model: str
    state: str
    review: Review | None
    values: tuple[tuple[str, str], ...]
    n_more: int
    has_image: bool


def view_item(store: Store, stored: StoredItem, text: Texts, most: int = _SHOWN_COLUMNS) -> ItemView:
    """Return an item as pages show it.

    Parameters
    ----------
    store : Store
        Is read if the item has a row that it came without, or reviews.
    stored : StoredItem
    text : Texts
    most : int
        Columns of the row that are shown.

    Returns
    -------
    ItemView
    """
    item, kind = stored.item, stored.item.media_type or ""
    payload = item.payload
    if stored.has_payload and kind == "application/json" and payload is None:
        found = store.get(stored.id)
        payload = None if found is None else found.item.payload
    values = parse_row(payload) if payload is not None and kind == "application/json" else {}
    shown = [(name, show_value(value, text)) for name, value in list(values.items())[:most]]
    reviews = store.history(stored.id)[-1:] if stored.verdict else ()
    return ItemView(
        id=stored.id,
        name=item.key or text("unnamed", id=stored.id),
        score=f"{item.score:.4g}",
        p_value="-" if item.p_value is None else f"{item.p_value:.3g}",
        time=f"{item.time:%Y-%m-%d %H:%M:%S} UTC",
        moment=item.time.isoformat(),
        model=f"{item.model}@{item.version}",
        state=stored.verdict or "waiting",
        review=reviews[0] if reviews else None,
        values=tuple(shown),
        n_more=max(0, len(values) - most),
        has_image=stored.has_payload and kind.startswith("image/"),
    )


def parse_row(payload: bytes) -> dict[str, Any]:
    """Return a kept row by column name, empty if it cannot be parsed.

    Parameters
    ----------
    payload : bytes

    Returns
    -------
    dict
    """
    try:
        row = json.loads(payload)
    except (ValueError, RecursionError):
        return {}
    return row if isinstance(row, dict) else {}


def show_value(value: Any, text: Texts) -> str:
    """Return a value of a row as text of bounded length.

    Parameters
    ----------
    value : object
    text : Texts

    Returns
    -------
    str
    """
    if value is None:
        return text("missing")
    if isinstance(value, float):
        return f"{value:.6g}"
    return shorten(value if isinstance(value, str) else json.dumps(value), _SHOWN_CHARACTERS)
