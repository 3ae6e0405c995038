"""Fitting and scoring in several processes, on one machine or many.

Fitting: the processes that torchrun or Ray Train started hold the same data and train one detector together, see
`process_group`. Scoring: Ray actors read, score and write partitions of the data independently. A partition has one
output file, which is written atomically. If an actor dies, another one scores its partition again, into the same file.
"""

import gc
import logging
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import chdir, contextmanager, nullcontext, redirect_stderr
from importlib import import_module
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from egbad.data import Partition, Stream
from egbad.errors import WARNINGS, EgbadError, MissingExtraError, enable_own_warnings
from egbad.loading import load
from egbad.scoring.score_files import write_scores
from egbad.scoring.score_tables import OutputColumns
from egbad.training.process_group import SINGLE_PROCESS, ProcessGroup

_TORCHRUN_VARIABLES = {"RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"}
_THREAD_LIMITS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "LOKY_MAX_CPU_COUNT")  # set to 1: an actor has one core


# -- fitting -----------------------------------------------------------------------------------------------------------


@contextmanager
def process_group() -> Iterator[ProcessGroup]:
    """Join the processes that torchrun or Ray Train started, to train one detector together.

    Pass the process group to `fit`, in every process and with the same data. If a detector has at least as many members
    as there are processes, each process trains some of them, and the result has the bits of a single process. Otherwise
    each process uses a part of every batch, and the gradients are averaged. In the end every process has the whole
    detector. If no other processes were started, the group consists of this process alone.

    Processes with a GPU each communicate through NCCL, others through Gloo.

    Yields
    ------
    ProcessGroup
        The group. The process whose `is_first` is True should save the detector.

    Examples
    --------
    >>> import numpy as np
    >>> from egbad import EGBAD
    >>> from egbad.training import TrainingConfig
    >>> X = np.random.default_rng(0).normal(size=(200, 4))
    >>> with process_group() as group:
    ...     detector = EGBAD(training=TrainingConfig(steps=5), alpha=0.1, random_state=0).fit(X, process_group=group)
    >>> group.is_first
    True
    """
    distributed = torch.distributed
    launched = os.environ.keys() >= _TORCHRUN_VARIABLES and int(os.environ["WORLD_SIZE"]) > 1
    if not distributed.is_available() or not (launched or distributed.is_initialized()):
        yield SINGLE_PROCESS
        return
    owns_group = not distributed.is_initialized()
    if owns_group:
        # DistributedDataParallel imports this module. Its functions keep the present group as a default argument, so it
        # must be imported before there is a group, or the group is never freed.
        import_module("torch.distributed.nn")
        distributed.init_process_group(_backend())
    try:
        with _own_gpu():
            yield ProcessGroup(distributed.get_rank(), distributed.get_world_size())
    finally:
        if owns_group:
            _destroy_process_group()


def _destroy_process_group() -> None:
    """Destroy the process group and end its threads, which would abort the process at exit.

    Reference cycles of DistributedDataParallel hold the group too. The last reference must be that of a Python variable:
    only its destructor releases the interpreter's lock, which the threads of Gloo may need to end.
    """
    group = torch.distributed.group.WORLD
    torch.distributed.destroy_process_group()
    gc.collect()
    del group


def _own_gpu() -> Any:
    """Return a context that makes this process's GPU the current one; processes share GPUs if there are too few."""
    if not torch.cuda.is_available():
        return nullcontext()
    return torch.cuda.device(int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count())


def _backend() -> str:
    """Return the communication backend: NCCL, which needs a GPU for each process, or Gloo."""
    n_local = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    return "nccl" if torch.cuda.is_available() and n_local <= torch.cuda.device_count() else "gloo"


def run_on_ray(work: Callable[[], object], workers: int | None = None) -> None:
    """Call a function on all workers of Ray Train, as one process group, and give the warnings of the first worker.

    Joins the cluster at RAY_ADDRESS, or starts one on this machine. All workers must reach data and output at the same
    path. The first worker writes the output.

    Parameters
    ----------
    work : callable
        Function without arguments; must be picklable.
    workers : int, optional
        Number of workers. By default the number of GPUs of the cluster, or of its cores if it has no GPU.

    Raises
    ------
    EgbadError
        If Ray is not installed, or the function fails on a worker.
    """
    ray = _import_ray("train.torch", "Fitting")
    with _cluster(ray) as resources, TemporaryDirectory() as folder:
        n_gpus = int(resources.get("GPU", 0))
        n_workers = workers or max(1, n_gpus or _n_cores(resources))
        trainer = ray.train.torch.TorchTrainer(
            _run_on_worker,
            train_loop_config={"work": work, "folder": os.getcwd()},
            scaling_config=ray.train.ScalingConfig(num_workers=n_workers, use_gpu=n_gpus >= n_workers),
            run_config=ray.train.RunConfig(storage_path=folder),
        )
        try:
            result = trainer.fit()
        except Exception as error:  # Ray's errors have no common base class
            raise EgbadError(f"The fit failed on a worker: {_root_message(error)}") from error
        _warn_again(getattr(result, "return_value", None) or (), set())  # earlier releases of Ray do not pass it on


def _run_on_worker(config: dict[str, Any]) -> list[list[str]]:
    """Call the function on one worker, in the folder of the process that started the workers; return its warnings."""
    try:
        with chdir(config["folder"]), redirect_stderr(StringIO()), _recorded_warnings() as recorded:
            config["work"]()
        return recorded
    except EgbadError as error:
        raise EgbadError(str(error)) from None  # `_root_message` removes the name of this type, and of no other


# -- scoring -----------------------------------------------------------------------------------------------------------


class _ScoringActor:
    """A Ray actor that loads the model once and scores partitions."""

    def __init__(self, model: Path, partitions: Sequence[tuple[Path, Partition]], columns: OutputColumns) -> None:
        self.scorer, self.partitions, self.columns = load(model), partitions, columns

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """Write the scores of the partition with the number in `row`, unless their file exists."""
        path, partition = self.partitions[row["number"]]
        stream = Stream.from_partitions([partition])
        with _recorded_warnings() as recorded:
            if not path.exists():
                write_scores(path, self.scorer, stream.batches, self.columns)
        return {"n_rows": partition.n_rows, "unreadable": "\n".join(stream.unreadable), "warnings": recorded}


def score_partitions(
    model: Path, partitions: Sequence[tuple[Path, Partition]], columns: OutputColumns, workers: int | None = None
) -> Iterator[tuple[int, list[str]]]:
    """Score partitions of a data set on Ray, each into a file of its own, and give each warning of the workers once.

    Joins the cluster at RAY_ADDRESS, or starts one on this machine. All workers must reach model, data and output at
    the same path. The scores have the bits of a single process, on processors of one kind.

    Parameters
    ----------
    model : Path
        Model file, or exported ONNX file.
    partitions : sequence of (Path, Partition)
        Output file and partition.
    columns : OutputColumns
        Columns of the output.
    workers : int, optional
        Number of actors, with one core each. By default the number of cores of the cluster.

    Yields
    ------
    n_rows : int
        Rows of a partition, once it is scored.
    unreadable : list of str
        Files of the partition that were skipped since they could not be read.

    Raises
    ------
    EgbadError
        If Ray is not installed, or a partition cannot be scored.
    """
    if not partitions:
        return
    ray = _import_ray("data", "Scoring")
    with _cluster(ray) as resources, _quiet(ray):
        n_actors = min(workers or max(1, _n_cores(resources)), len(partitions))
        resolved = [(path.resolve(), partition) for path, partition in partitions]
        numbers = [{"number": number} for number in range(len(resolved))]
        try:
            scored = ray.data.from_items(numbers, override_num_blocks=len(numbers)).map(
                _ScoringActor,
                fn_constructor_args=(model.resolve(), resolved, columns),
                compute=ray.data.ActorPoolStrategy(size=n_actors),
                num_cpus=1,
            )
            given = set[tuple[str, str]]()
            for row in scored.iter_rows():
                _warn_again(row["warnings"], given)
                yield int(row["n_rows"]), row["unreadable"].split("\n") if row["unreadable"] else []
        except ray.exceptions.RayError as error:
            raise EgbadError(f"A partition could not be scored: {_root_message(error)}") from error


# -- warnings of workers -----------------------------------------------------------------------------------------------


@contextmanager
def _recorded_warnings() -> Iterator[list[list[str]]]:
    """Record egbad's warnings inside a `with` block; the list holds category and message of each once it ends."""
    recorded = list[list[str]]()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("ignore")
        enable_own_warnings()
        yield recorded
    recorded += [[warning.category.__name__, str(warning.message)] for warning in caught]


def _warn_again(recorded: Iterable[Sequence[str]], given: set[tuple[str, str]]) -> None:
    """Give the warnings that a worker recorded, without those in `given`, and add them to it."""
    for category, message in recorded:
        if (category, message) not in given:
            given.add((category, message))
            warnings.warn(message, WARNINGS.get(category, UserWarning), stacklevel=3)


# -- Ray ---------------------------------------------------------------------------------------------------------------


def _import_ray(submodule: str, feature: str) -> Any:
    """Import Ray and one of its submodules."""
    try:
        ray = import_module("ray")
        import_module(f"ray.{submodule}")
    except ImportError as error:
        raise MissingExtraError(f"{feature} on workers", "ray", ["ray"]) from error
    return ray


@contextmanager
def _cluster(ray: Any) -> Iterator[dict[str, float]]:
    """Connect to a Ray cluster, or start one for the length of a `with` block, and yield its resources."""
    owns_cluster = not ray.is_initialized()
    if owns_cluster:
        ray.init(
            include_dashboard=False,
            logging_level=logging.ERROR,
            log_to_driver=False,
            runtime_env={"env_vars": dict.fromkeys(_THREAD_LIMITS, "1")},
        )
    try:
        yield ray.cluster_resources()
    finally:
        if owns_cluster:
            ray.shutdown()


@contextmanager
def _quiet(ray: Any) -> Iterator[None]:
    """Turn off Ray Data's progress bars and log messages inside a `with` block."""
    context, logger = ray.data.DataContext.get_current(), logging.getLogger("ray.data")
    progress_bars, level = context.enable_progress_bars, logger.level
    context.enable_progress_bars = False
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        context.enable_progress_bars = progress_bars
        logger.setLevel(level)


def _n_cores(resources: dict[str, float]) -> int:
    """Return the number of cores of a cluster."""
    return int(resources.get("CPU", os.cpu_count() or 1))


def _root_message(error: BaseException) -> str:
    """Return the last line of the message of an error's first cause, without the name of `EgbadError`."""
    while error.__cause__ is not None:
        error = error.__cause__
    cause = getattr(error, "cause", None)
    message = str(cause or error).strip().splitlines()[-1]
    return message.removeprefix(f"{EgbadError.__module__}.{EgbadError.__name__}: ")
