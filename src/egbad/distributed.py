"""The same scores on more than one machine: Ray's actors, each with the model, read, score and write parts by themselves.

A part has one name and is there as a whole or not at all, so a worker that dies loses nothing that counts: another scores its
part again, into the same file.
"""

import logging
import os
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from egbad.errors import EgbadError
from egbad.jobs import Told, write_part
from egbad.sources import Piece

_LIMITS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")  # an actor has one core


class _Worker:
    """An actor: it loads the model once."""

    def __init__(self, model: Path, pieces: Sequence[tuple[Path, Piece]], told: Told) -> None:
        from egbad import load

        self.scorer, self.pieces, self.told = load(model), pieces, told

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """Write the part of a piece, unless it is there."""
        path, piece = self.pieces[row["number"]]
        if not path.exists():
            write_part(path, self.scorer, piece.read(), self.told)
        return {"rows": piece.rows}


def score_pieces(
    model: Path, pieces: Sequence[tuple[Path, Piece]], told: Told, workers: int | None = None
) -> Iterator[int]:
    """Score pieces on Ray, each into its file -> rows of those that are done, as they are.

    Joins the cluster that Ray finds (RAY_ADDRESS), or starts one on this machine. Model, data and output must lie where all
    workers reach them. The scores are those of this process, bit for bit, on processors of one kind.

    Parameters
    ----------
    model : path
    pieces : sequence of (path, Piece)
        Where each goes, and how it is read.
    told : Told
        What is written of each row.
    workers : int, optional
        Actors; by default as many as there are cores.

    Raises
    ------
    EgbadError
        When Ray isn't installed, or a piece can't be scored.
    """
    if not pieces:
        return
    try:
        ray: Any = import_module("ray")
        import_module("ray.data")
    except ImportError as error:
        raise EgbadError(
            "Scoring on workers needs Ray, which isn't installed. Install it with: pip install 'egbad[ray]'"
        ) from error
    started = not ray.is_initialized()
    if started:
        environment = dict.fromkeys(_LIMITS, "1")
        ray.init(
            include_dashboard=False,
            logging_level=logging.ERROR,
            log_to_driver=False,
            runtime_env={"env_vars": environment},
        )
    ray.data.DataContext.get_current().enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    try:
        count = workers or max(1, int(ray.cluster_resources().get("CPU", os.cpu_count() or 1)))
        whole = [(path.resolve(), piece) for path, piece in pieces]
        numbers = [{"number": number} for number in range(len(whole))]
        done = ray.data.from_items(numbers, override_num_blocks=len(numbers)).map(
            _Worker,
            fn_constructor_args=(model.resolve(), whole, told),
            compute=ray.data.ActorPoolStrategy(size=min(count, len(numbers))),
            num_cpus=1,
        )
        for row in done.iter_rows():
            yield int(row["rows"])
    except ray.exceptions.RayError as error:
        raise EgbadError(f"A part could not be scored: {_cause(error)}") from error
    finally:
        if started:
            ray.shutdown()


def _cause(error: BaseException) -> str:
    """What went wrong on the worker, in its own words."""
    while error.__cause__ is not None:
        error = error.__cause__
    inner = getattr(error, "cause", None)
    return str(inner or error).strip().splitlines()[-1]
