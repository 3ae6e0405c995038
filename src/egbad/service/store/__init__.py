"""Store of scored items and of what people say about them, in SQLite or PostgreSQL.

`open_store` creates or upgrades the store and returns a `Store`. It needs the extra 'serve', and 'serve-postgresql' for
PostgreSQL.
"""

from egbad.service.store.errors import StoreError
from egbad.service.store.items import (
    Arrivals,
    ItemFilter,
    ItemPage,
    ModelCounts,
    Period,
    Review,
    ScoredItem,
    ScoreGroups,
    StoredItem,
)
from egbad.service.store.recalibrations import KeptRecalibration, ServedFile
from egbad.service.store.store import Store, open_store
from egbad.service.store.writer import Limits

__all__ = [
    "Arrivals",
    "ItemFilter",
    "ItemPage",
    "KeptRecalibration",
    "Limits",
    "ModelCounts",
    "Period",
    "Review",
    "ScoreGroups",
    "ScoredItem",
    "ServedFile",
    "Store",
    "StoreError",
    "StoredItem",
    "open_store",
]
