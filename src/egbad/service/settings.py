"""Limits and times of the service."""

from dataclasses import dataclass
from pathlib import Path

from egbad.errors import InvalidInputError

MIB = 2**20


@dataclass(frozen=True, kw_only=True)
class ServiceSettings:
    """Limits of requests, of the queue, and of time.

    Attributes
    ----------
    max_body : int
        Bytes of a request's body.
    max_rows : int
        Rows or images of a request.
    max_columns : int
        Columns of a Parquet file.
    max_cells : int
        Rows times columns of a Parquet file.
    max_expanded : int
        Uncompressed bytes of a Parquet file, and bytes of its texts.
    max_pixels : int
        Pixels of an image, before it is decoded.
    max_explained : int
        Rows or images of a request with explanations.
    queue_rows : int
        Rows that wait or are being scored, of all requests together.
    queue_bytes : int
        Bytes of bodies and rows that are held, of all requests together.
    batch_rows : int
        Rows that are scored together, unless one request has more.
    latency_budget : float
        Seconds that a request waits for others while another batch is scored.
    deadline : float
        Seconds from the first byte of a request to its answer.
    workers : int
        Threads that read bodies and score.
    models_dir : Path, optional
        Folder that models are loaded from while the service runs. None if none may be loaded.
    """

    max_body: int = 16 * MIB
    max_rows: int = 10_000
    max_columns: int = 10_000
    max_cells: int = 30_000_000
    max_expanded: int = 256 * MIB
    max_pixels: int = 25_000_000
    max_explained: int = 256
    queue_rows: int = 50_000
    queue_bytes: int = 256 * MIB
    batch_rows: int = 4_096
    latency_budget: float = 0.005
    deadline: float = 10.0
    workers: int = 2
    models_dir: Path | None = None

    def __post_init__(self) -> None:
        """Check that the queue holds the largest request."""
        if self.queue_rows < self.max_rows:
            raise InvalidInputError(
                f"The queue must hold the rows of the largest request, got {self.queue_rows:,} rows for the queue and "
                f"{self.max_rows:,} for a request. Raise --queue-rows or lower --max-rows."
            )
        if self.models_dir is not None and not self.models_dir.is_dir():
            raise InvalidInputError(f"The folder of models must exist, got '{self.models_dir}'. Check --models-dir.")
