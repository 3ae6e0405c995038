"""Drift of served models, from the scores in the store."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from math import ceil, log
from threading import Lock

import numpy as np

from egbad.data import Data
from egbad.errors import EgbadError
from egbad.scoring.drift import DriftMonitor, DriftReport
from egbad.service.json_bodies import read_json_rows
from egbad.service.models import ModelRegistry, ServedModel
from egbad.service.pages.views import parse_row
from egbad.service.store import Arrivals, ItemFilter, Store, StoreError

LEVEL = 0.01  # probability of a false alarm
NEWEST = 50_000  # items that are compared when a tracker begins
_TESTED_ROWS = 5_000  # newest rows whose columns are tested
_POINTS, _SHORTEST_STEP = 200, 5  # of the trend
_UPDATE_SECONDS = 60.0  # between two updates of the metrics


class DriftTracker:
    """Comparison of all items that one model has scored with its calibration rows, continued with the items that are new.

    All methods may be called from any thread.

    Parameters
    ----------
    model : ServedModel
    keeps_rows : bool
        True if the store keeps all rows, so that columns can be tested.

    Attributes
    ----------
    monitor : DriftMonitor
    trend : list of (int, float)
        Numbers of items, and the logarithms of the martingale's capital to the base 10.
    n_compared : int
        Number of rows whose columns were tested.
    is_clipped : bool
        True if there were more items than `NEWEST` at the beginning.
    report : DriftReport or None
        Result of the last update.
    """

    def __init__(self, model: ServedModel, *, keeps_rows: bool) -> None:
        self._model = model
        self.monitor = DriftMonitor(model.scorer, LEVEL, model.threshold)
        self.trend: list[tuple[int, float]] = [(0, 0.0)]
        self.n_compared, self.is_clipped = 0, False
        self.report: DriftReport | None = None
        self._tests_rows = keeps_rows and self.monitor.untested is None
        self._last = 0
        self._lock = Lock()

    def update(self, store: Store) -> DriftReport | None:
        """Add the items that are new in the store.

        Parameters
        ----------
        store : Store

        Returns
        -------
        DriftReport or None
            None if nothing was scored yet.

        Raises
        ------
        StoreError
            If the store cannot be read.
        """
        with self._lock:
            where = ItemFilter(model=self._model.name, digest=self._model.digest)
            new = store.arrivals(where, after=self._last, newest=NEWEST)
            if len(new.ids):
                self.is_clipped |= not self._last and len(new.ids) == NEWEST
                self._add(new, self._kept_rows(store, where, new))
                self._last = int(new.ids[-1])
                self.report = self.monitor.report()
            return self.report

    def _kept_rows(self, store: Store, where: ItemFilter, new: Arrivals) -> dict[int, bytes]:
        """Return the newest rows that are kept, by the numbers of their items."""
        if not self._tests_rows:
            return {}
        after = int(new.ids[-min(len(new.ids), _TESTED_ROWS)]) - 1
        return {stored.id: stored.item.payload or b"" for stored in store.kept(where, after=after)}

    def _add(self, new: Arrivals, kept: dict[int, bytes]) -> None:
        """Add scores and rows, and record the capital from time to time."""
        step = max(_SHORTEST_STEP, ceil(len(new.ids) / _POINTS))
        for start in range(0, len(new.ids), step):
            payloads = [kept.get(number) for number in new.ids[start : start + step].tolist()]
            rows = self._read(payloads)
            self.n_compared += 0 if rows is None else len(rows.x)
            self.monitor.add(np.array(new.scores[start : start + step]), rows)
            self.trend.append((self.monitor.martingale.n_rows, self.monitor.martingale.log_value / log(10)))
        if len(self.trend) > 2 * _POINTS:
            self.trend = [*self.trend[:-1:2], self.trend[-1]]

    def _read(self, payloads: list[bytes | None]) -> Data | None:
        """Return kept rows as the model reads them, None unless all are kept."""
        if any(payload is None for payload in payloads):
            return None
        try:
            return read_json_rows(self._model.reader, [parse_row(payload or b"") for payload in payloads]).pieces[0]
        except EgbadError:
            return None


class DriftTrackers:
    """Trackers of all served models. It belongs to the event loop, as the registry does.

    Parameters
    ----------
    registry : ModelRegistry
    store : Store
    keeps_rows : bool
        True if the store keeps all rows.
    """

    def __init__(self, registry: ModelRegistry, store: Store, *, keeps_rows: bool) -> None:
        self._registry, self._store, self._keeps_rows = registry, store, keeps_rows
        self._trackers: dict[str, DriftTracker] = {}

    def find(self, model: ServedModel) -> DriftTracker:
        """Return the tracker of a model, and forget those of models that are not served any more.

        Parameters
        ----------
        model : ServedModel

        Returns
        -------
        DriftTracker
        """
        for digest in self._trackers.keys() - {served.digest for served in self._registry}:
            del self._trackers[digest]
        if model.digest not in self._trackers:
            self._trackers[model.digest] = DriftTracker(model, keeps_rows=self._keeps_rows)
        return self._trackers[model.digest]

    async def update(self) -> None:
        """Add the items that are new in the store to the trackers of all models.

        Raises
        ------
        StoreError
            If the store cannot be read.
        """
        for model in [*self._registry]:
            await asyncio.to_thread(self.find(model).update, self._store)

    def reports(self) -> Iterable[tuple[ServedModel, DriftReport]]:
        """Yield the served models with the results of their last updates."""
        for model in self._registry:
            tracker = self._trackers.get(model.digest)
            if tracker is not None and tracker.report is not None:
                yield model, tracker.report

    @asynccontextmanager
    async def updated(self, seconds: float = _UPDATE_SECONDS) -> AsyncIterator[None]:
        """Update all trackers from time to time in an `async with` block.

        Parameters
        ----------
        seconds : float, default=60
        """
        task = asyncio.create_task(self._repeat(seconds))
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _repeat(self, seconds: float) -> None:
        while True:
            with suppress(StoreError):  # the next update may succeed; answers and '/v2/health/ready' report the failure
                await self.update()
            await asyncio.sleep(seconds)
