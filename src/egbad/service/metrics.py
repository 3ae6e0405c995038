"""Metrics for Prometheus, in a registry of their own."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.registry import Collector

from egbad.service.limits import Capacity

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_BATCH_ROWS = (1, 4, 16, 64, 256, 1024, 4096, 16384)


class Metrics:
    """Counters of requests, rows and batches, and the memory and processor time of the process.

    Parameters
    ----------
    capacity : Capacity
        Its rows and bytes are read whenever the metrics are.
    """

    def __init__(self, capacity: Capacity) -> None:
        registry = self.registry = CollectorRegistry()
        self.requests = Counter("egbad_requests", "Answered requests.", ["route", "status"], registry=registry)
        self.seconds = Histogram(
            "egbad_request_seconds", "Duration of requests.", ["route"], buckets=_SECONDS, registry=registry
        )
        self.rows = Counter("egbad_rows", "Scored rows and images.", ["model", "version"], registry=registry)
        self.flagged = Counter("egbad_flagged", "Flagged rows and images.", ["model", "version"], registry=registry)
        self.unstored = Counter("egbad_unstored_answers", "Answers that are not in the store.", registry=registry)
        self.batch_requests = Counter(
            "egbad_batched_requests", "Requests or parts of them in batches.", registry=registry
        )
        self.batch_rows = Histogram("egbad_batch_rows", "Rows of a batch.", buckets=_BATCH_ROWS, registry=registry)
        for name, text, read in (
            ("egbad_held_rows", "Rows that wait or are being scored.", lambda: capacity.rows),
            ("egbad_held_bytes", "Bytes of bodies and rows that are held.", lambda: capacity.bytes),
        ):
            Gauge(name, text, registry=registry).set_function(read)
        ProcessCollector(registry=registry)

    def add(self, collector: Collector) -> None:
        """Add the metrics of a collector.

        Parameters
        ----------
        collector : Collector
        """
        self.registry.register(collector)

    def observe_request(self, route: str, status: int, seconds: float) -> None:
        """Count an answered request.

        Parameters
        ----------
        route : str
            Template of its path, so that clients cannot add series.
        status : int
        seconds : float
        """
        self.requests.labels(route, str(status)).inc()
        self.seconds.labels(route).observe(seconds)

    def observe_batch(self, requests: int, rows: int) -> None:
        """Count a batch.

        Parameters
        ----------
        requests, rows : int
        """
        self.batch_requests.inc(requests)
        self.batch_rows.observe(rows)

    def observe_scores(self, model: str, version: str, rows: int, flagged: int) -> None:
        """Count scored rows.

        Parameters
        ----------
        model, version : str
        rows, flagged : int
        """
        self.rows.labels(model, version).inc(rows)
        self.flagged.labels(model, version).inc(flagged)

    def render(self) -> bytes:
        """Return the metrics in the text format of Prometheus."""
        return generate_latest(self.registry)
