"""Parts of the running service that its routes share, and facts about one request."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, TypeVar

from fastapi import Request

from egbad.service.drift import DriftTrackers
from egbad.service.limits import Capacity
from egbad.service.metrics import Metrics
from egbad.service.model_loader import ModelLoader
from egbad.service.models import ModelRegistry
from egbad.service.records import RecordStore
from egbad.service.settings import ServiceSettings

T = TypeVar("T")
KEY = "egbad.request"  # of the ASGI scope


@dataclass(frozen=True)
class RequestFacts:
    """Facts about one request.

    Attributes
    ----------
    request_id : str
    deadline : float
        Time of the event loop.
    """

    request_id: str
    deadline: float


@dataclass(frozen=True, kw_only=True)
class Service:
    """Parts of the running service.

    Attributes
    ----------
    settings : ServiceSettings
    registry : ModelRegistry
    loader : ModelLoader
    capacity : Capacity
    executor : Executor
        Worker threads.
    metrics : Metrics
    logger : object
        A logger of structlog.
    store : RecordStore, optional
    keep : {"none", "flagged", "all"}
        Rows and images that the store keeps.
    drift : DriftTrackers, optional
        None without a store.
    """

    settings: ServiceSettings
    registry: ModelRegistry
    loader: ModelLoader
    capacity: Capacity
    executor: Executor
    metrics: Metrics
    logger: Any
    store: RecordStore | None = None
    keep: str = "none"
    drift: DriftTrackers | None = None

    async def run(self, function: Callable[..., T], *arguments: Any) -> T:
        """Call a function on a worker thread.

        Parameters
        ----------
        function : callable
        *arguments : object

        Returns
        -------
        object
            Its result.
        """
        return await asyncio.get_running_loop().run_in_executor(self.executor, function, *arguments)


def facts_of(request: Request) -> RequestFacts:
    """Return the facts about a request that `egbad.service.middleware` has added.

    Parameters
    ----------
    request : Request

    Returns
    -------
    RequestFacts
    """
    facts: RequestFacts = request.scope[KEY]
    return facts
