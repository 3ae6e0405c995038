"""The same fit and the same scores on more than one machine.

Fitting: processes that torchrun or Ray Train started hold the same data each and learn one model together (`together`).
Scoring: Ray's actors, each with the model, read, score and write parts by themselves. A part has one name and is there as a
whole or not at all, so a worker that dies loses nothing that counts: another scores its part again, into the same file.
"""

import gc
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from importlib import import_module
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from egbad.data import Partition, Stream
from egbad.errors import EgbadError, MissingExtraError
from egbad.scoring.score_files import write_scores
from egbad.scoring.score_tables import OutputColumns
from egbad.training.process_group import SINGLE_PROCESS, ProcessGroup

_LAUNCHED = {"RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"}  # what torchrun tells each process
_LIMITS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "LOKY_MAX_CPU_COUNT")  # an actor has one core


# -- fitting -----------------------------------------------------------------------------------------------------------


@contextmanager
def process_group() -> Iterator[ProcessGroup]:
    """Let every `fit` in here be one fit of all processes that torchrun or Ray Train started, each with the same data.

    Where a detector has at least as many members as there are processes, each trains some of them: the outcome has the bits
    that one process gives. Else each takes a part of every batch, and all move by the mean gradient. In the end every process
    has the whole detector. Without such processes it is a fit like any other.

    Yields
    ------
    Ranks
        Which of the processes this is: the one that `first` names should write the model.
    """
    distributed = torch.distributed
    launched = os.environ.keys() >= _LAUNCHED and int(os.environ["WORLD_SIZE"]) > 1
    if not distributed.is_available() or not (launched or distributed.is_initialized()):
        yield SINGLE_PROCESS
        return
    started = not distributed.is_initialized()
    if started:
        # Imported while a group is there, as data parallelism does, it keeps that group as a default argument.
        import_module("torch.distributed.nn")
        distributed.init_process_group(_backend())
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count())
    try:
        yield ProcessGroup(distributed.get_rank(), distributed.get_world_size())
    finally:
        if started:
            distributed.destroy_process_group()
            gc.collect()  # trainers in cycles hold the group, and threads of it that outlive Python abort the process


def _backend() -> str:
    """What processes meet through: NCCL, which wants a GPU for each, or Gloo."""
    here = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    return "nccl" if torch.cuda.is_available() and here <= torch.cuda.device_count() else "gloo"


def run_together(main: Callable[[Sequence[str]], int], command: Sequence[str], workers: int | None = None) -> None:
    """Run a command on Ray Train's workers, together: the first of them writes what it writes.

    Joins the cluster that Ray finds (RAY_ADDRESS), or starts one on this machine. Data and output must lie where all workers
    reach them, at the same path.

    Parameters
    ----------
    main : callable
        What runs a command -> its exit code.
    command : sequence of str
        Without what says that Ray runs it.
    workers : int, optional
        By default as many as there are cores, or GPUs.

    Raises
    ------
    EgbadError
        When Ray isn't installed, or the command fails on a worker.
    """
    ray = _ray("train.torch", "Fitting")
    with _cluster(ray) as resources, TemporaryDirectory() as folder:
        gpus = int(resources.get("GPU", 0))
        count = workers or max(1, gpus or int(resources.get("CPU", os.cpu_count() or 1)))
        trainer = ray.train.torch.TorchTrainer(
            _run_here,
            train_loop_config={"main": main, "command": [*command], "folder": os.getcwd()},
            scaling_config=ray.train.ScalingConfig(num_workers=count, use_gpu=gpus >= count),
            run_config=ray.train.RunConfig(storage_path=folder),
        )
        try:
            trainer.fit()
        except Exception as error:
            raise EgbadError(f"The fit failed on a worker: {_cause(error)}") from error


def _run_here(config: dict[str, Any]) -> None:
    """What each worker does."""
    os.chdir(config["folder"])
    said = StringIO()
    with redirect_stderr(said):
        code = config["main"](config["command"])
    if code:
        raise EgbadError(said.getvalue().strip().splitlines()[-1])


# -- scoring -----------------------------------------------------------------------------------------------------------


class _Worker:
    """An actor: it loads the model once."""

    def __init__(self, model: Path, pieces: Sequence[tuple[Path, Partition]], told: OutputColumns) -> None:
        from egbad import load

        self.scorer, self.pieces, self.told = load(model), pieces, told

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """Write the part of a piece, unless it is there."""
        path, piece = self.pieces[row["number"]]
        stream = Stream.from_partitions([piece])
        if not path.exists():
            write_scores(path, self.scorer, stream.batches, self.told)
        return {"rows": piece.n_rows, "unreadable": "\n".join(stream.unreadable)}


def score_partitions(
    model: Path, pieces: Sequence[tuple[Path, Partition]], told: OutputColumns, workers: int | None = None
) -> Iterator[tuple[int, list[str]]]:
    """Score pieces on Ray, each into its file, and yield the rows of each as it is done, and the files that it skipped.

    Joins the cluster that Ray finds (RAY_ADDRESS), or starts one on this machine. Model, data and output must lie where all
    workers reach them. The scores are those of this process, bit for bit, on processors of one kind.

    Parameters
    ----------
    model : path
    pieces : sequence of (path, Partition)
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
    ray = _ray("data", "Scoring")
    with _cluster(ray) as resources:
        ray.data.DataContext.get_current().enable_progress_bars = False
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        count = workers or max(1, int(resources.get("CPU", os.cpu_count() or 1)))
        whole = [(path.resolve(), piece) for path, piece in pieces]
        numbers = [{"number": number} for number in range(len(whole))]
        try:
            done = ray.data.from_items(numbers, override_num_blocks=len(numbers)).map(
                _Worker,
                fn_constructor_args=(model.resolve(), whole, told),
                compute=ray.data.ActorPoolStrategy(size=min(count, len(numbers))),
                num_cpus=1,
            )
            for row in done.iter_rows():
                yield int(row["rows"]), row["unreadable"].split("\n") if row["unreadable"] else []
        except ray.exceptions.RayError as error:
            raise EgbadError(f"A part could not be scored: {_cause(error)}") from error


# -- Ray ---------------------------------------------------------------------------------------------------------------


def _ray(part: str, what: str) -> Any:
    """Ray, with a part of it imported."""
    try:
        ray = import_module("ray")
        import_module(f"ray.{part}")
    except ImportError as error:
        raise MissingExtraError(f"{what} on workers", "ray", ["ray"]) from error
    return ray


@contextmanager
def _cluster(ray: Any) -> Iterator[dict[str, float]]:
    """A cluster, started here unless there is one already: what it has."""
    started = not ray.is_initialized()
    if started:
        environment = dict.fromkeys(_LIMITS, "1")
        ray.init(
            include_dashboard=False,
            logging_level=logging.ERROR,
            log_to_driver=False,
            runtime_env={"env_vars": environment},
        )
    try:
        yield ray.cluster_resources()
    finally:
        if started:
            ray.shutdown()


def _cause(error: BaseException) -> str:
    """What went wrong on the worker, in its own words."""
    while error.__cause__ is not None:
        error = error.__cause__
    inner = getattr(error, "cause", None)
    return str(inner or error).strip().splitlines()[-1].removeprefix(f"{EgbadError.__module__}.{EgbadError.__name__}: ")
