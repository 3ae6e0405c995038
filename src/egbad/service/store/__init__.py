"""Store of scored items and of what people say about them, in SQLite or PostgreSQL.

`open_store` creates or upgrades the store and returns a `Store`. It needs the extra 'serve', and 'serve-postgresql' for
PostgreSQL.
"""

from egbad.service.store.errors import StoreError
from egbad.service.store.items import ScoredItem
from egbad.service.store.store import Store, open_store

__all__ = ["ScoredItem", "Store", "StoreError", "open_store"]
