"""RunLog that survive: one JSON line for each finished run, each in a process of its own, from where an earlier try stopped.

A run that fails, takes too long or is killed is a line that says why, and the others go on.
"""

import hashlib
import json
import multiprocessing
import os
import resource
import signal
import sys
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np

from egbad.arrays import map_unique_rows
from egbad.benchmark import protocols
from egbad.benchmark.suites import Task, Variant
from egbad.data import Data
from egbad.detectors.registry import create
from egbad.errors import EgbadError, UnreadableFileError
from egbad.export.onnx_scorer import cores
from egbad.model_file import atomic_write
from egbad.report import curves_of, render_grid, sample_by_score, to_jsonable
from egbad.scoring import calibration, metrics

try:
    import fcntl
except ImportError:  # Windows has no such lock
    fcntl = None  # type: ignore[assignment]

ALPHAS = (0.01, 0.05)  # false-alarm rates whose thresholds, from calibration rows, are measured
TOP = 10  # the most anomalous test rows that a line keeps, by their place in the data
SHOWN = 4  # images of each kind that a line keeps
FORMAT = 1

RunRecord = dict[str, Any]


@dataclass(frozen=True)
class Job:
    """One detector to fit and score on one split of one task; `seed` makes the split and the networks."""

    task: Task
    variant: Variant
    seed: int

    @property
    def key(self) -> str:
        """What a finished run is known by."""
        parameters = json.dumps(to_jsonable(self.variant.parameters), sort_keys=True)
        return f"{self.task.protocol}|{self.task.identity}|{self.variant.label}|{parameters}|{self.seed}"


def make_jobs(tasks: Iterable[Task], entries: Iterable[Variant], seeds: int) -> list[Job]:
    """Every detector on every task, seed by seed, so that a run cut short has something of everything."""
    entries = list(entries)
    return [Job(task, entry, seed) for seed in range(seeds) for task in tasks for entry in entries]


# -- one run -----------------------------------------------------------------------------------------------------------


def measure(job: Job, data_dir: Path | None = None, scores_to: Path | None = None) -> RunRecord:
    """Load, fit, score and measure one job -> its line, without what only the process around it knows."""
    started = time.perf_counter()
    split, digest = job.task.load(job.seed, data_dir)
    loaded = time.perf_counter() - started
    parameters = {"random_state": job.seed, **job.task.parameters, **job.variant.parameters}
    detector = create(job.variant.detector, **parameters)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what they say is in the line
        detector.fit(Data(split.x_train, column_types=job.task.kinds))
        started = time.perf_counter()
        scores, scored = map_unique_rows(
            lambda x: detector.anomaly_score(Data(x, column_types=job.task.kinds)), split.x_test
        )
        seconds = time.perf_counter() - started
        flagged = {str(alpha): scores > calibration.threshold(detector.calibration_scores_, alpha) for alpha in ALPHAS}
    if scores_to is not None:
        with atomic_write(scores_to) as draft, draft.open("wb") as file:
            np.save(file, scores)
    top = np.argsort(-scores, kind="stable")[:TOP]
    line: RunRecord = {
        "status": "ok",
        "digest": digest,
        "notes": [*job.task.faults, *split.notes],
        "training_rows": len(split.x_train),
        "test_rows": len(split.x_test),
        "training_rows_used": detector.n_train_,
        "training_steps": int(steps[-1]) if len(steps := getattr(detector, "history_", {}).get("step", ())) else None,
        "seconds": {"load": loaded, "fit": detector.fit_seconds_, "score": seconds},
        "scored_per_second": scored / seconds,
        "flagged": {alpha: float(rows.mean()) for alpha, rows in flagged.items()},
        "top": top if split.places is None else split.places[top],
        "health": getattr(detector, "health_", []),
        "versions": detector.fit_versions_,
    }
    if split.anomalous is not None:
        line |= _against_labels(split, scores, flagged)
        if split.x_test.ndim > 2 and hasattr(detector, "reconstruct"):
            if split.masks is not None:
                line["metrics"]["pixel_auroc"] = _pixel_auroc(detector, split.x_test, split.masks)
            if job.seed == 0:
                line["pictures"] = _pictures(detector, split, scores)
    return line


def _pictures(detector: Any, split: protocols.Split, scores: Any) -> Any:
    """Some test images of each kind, beside what the detector makes of them."""
    assert split.anomalous is not None
    return render_grid(sample_by_score(detector.reconstruct, split.x_test, scores, split.anomalous, SHOWN))


def _pixel_auroc(detector: Any, x: Any, masks: Any) -> float:
    """How well |x - reconstruction| tells the pixels of anomalies from all others, over all images (m, h, w)."""
    rebuilt = detector.reconstruct(x)
    return metrics.auroc(np.abs(np.asarray(x, dtype=np.float64) - rebuilt).ravel(), masks.ravel())


def _against_labels(split: protocols.Split, scores: Any, flagged: Mapping[str, Any]) -> RunRecord:
    y = split.anomalous
    assert y is not None
    top = metrics.top_share(scores, y, split.top_share)
    again = protocols.repeats(split)
    fresh = ~again
    both = y[fresh].any() and not y[fresh].all()
    return {
        "base_rate": metrics.base_rate(y),
        "repeats": int(again.sum()),
        "metrics": {
            "auroc": metrics.auroc(scores, y),
            "average_precision": metrics.average_precision(scores, y),
            "trapezoid": metrics.trapezoid_precision(scores, y),
            "auroc_without_repeats": metrics.auroc(scores[fresh], y[fresh]) if again.any() and both else None,
            "by_kind": _by_kind(split, scores),
            "top": {
                "share": split.top_share,
                "precision": top.precision,
                "recall": top.recall,
                "f1": top.f1,
                "flagged": top.flagged,
                "ties": top.ties,
            },
            "thresholds": {
                alpha: {"false_alarms": float(rows[~y].mean()), "found": float(rows[y].mean())}
                for alpha, rows in flagged.items()
            },
        },
        "curves": curves_of(scores, y),
    }


def _by_kind(split: protocols.Split, scores: Any) -> RunRecord | None:
    """AUROC and number of each kind of anomaly, told from all normals."""
    if split.kinds is None or split.anomalous is None:
        return None
    found = {}
    for kind in dict.fromkeys(split.kinds[split.anomalous].tolist()):
        chosen = ~split.anomalous | (split.kinds == kind)
        among = split.anomalous[chosen]
        found[str(kind)] = {"auroc": metrics.auroc(scores[chosen], among), "n": int(among.sum())}
    return found


def _child(job: Job, threads: int, data_dir: Path | None, scores_to: Path | None, answer: Connection) -> None:
    """A run in its own process: its line goes through `answer`."""
    import torch
    from threadpoolctl import threadpool_limits

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends its children
    Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(threads)
    with threadpool_limits(threads):
        try:
            line = measure(job, data_dir, scores_to)
        except EgbadError as error:
            line = failed(str(error))
        except Exception as error:  # noqa: BLE001, whatever it is, the other runs go on
            line = failed(f"{type(error).__name__}: {error}")
    unit = 1 if sys.platform == "darwin" else 1024
    line["peak_memory"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    answer.send(to_jsonable(line))


def _end_with_parent() -> None:
    """End this process when the benchmark that it works for was killed: nobody waits for its line."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def failed(reason: str) -> RunRecord:
    """The line of a run that gave no scores."""
    return {"status": "failed", "reason": reason}


# -- many runs ---------------------------------------------------------------------------------------------------------


@dataclass
class _Running:
    job: Job
    process: BaseProcess
    answer: Connection
    started: float

    def end(self) -> RunRecord:
        """Its line: what it sent, or how it died."""
        try:
            line: RunRecord = self.answer.recv()
        except (EOFError, OSError):  # it died before it said anything, or while it did
            self.process.join()
            code = self.process.exitcode or 0
            line = failed(
                f"The process was ended by signal {-code}." if code < 0 else f"The process ended with {code}."
            )
        self._close()
        return line

    def stop(self) -> None:
        """End it now."""
        self.process.kill()
        self._close()

    def _close(self) -> None:
        self.process.join()
        self.process.close()
        self.answer.close()


class RunLog:
    """The lines of a folder's `runs.jsonl`: read at the start, each new one on disk before the next begins."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "runs.jsonl"
        folder.mkdir(parents=True, exist_ok=True)
        self.lines: dict[str, RunRecord] = {}
        if not self.path.exists():
            return
        content = self.path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        if len(whole) < len(content):  # killed while it wrote: that run is on_record again
            with atomic_write(self.path) as draft:
                draft.write_bytes(whole)
        for number, text in enumerate(whole.splitlines(), 1):
            try:
                line = json.loads(text)
                if line["format"] != FORMAT:
                    raise ValueError(f"it has format {line['format']}, this release reads {FORMAT}")
                self.lines[line["key"]] = line
            except (ValueError, KeyError, TypeError) as error:
                raise UnreadableFileError(
                    f"'{self.path}' is no list of runs, line {number}: {error}. Give another folder."
                ) from error

    def add(self, job: Job, line: RunRecord) -> RunRecord:
        """Write down a finished run."""
        task = {"task": job.task.name, "dataset": job.task.dataset, "protocol": job.task.protocol}
        entry = {
            "label": job.variant.label,
            "detector": job.variant.detector,
            "parameters": dict(job.variant.parameters),
        }
        whole: RunRecord = to_jsonable({"format": FORMAT, "key": job.key, **task, **entry, "seed": job.seed, **line})
        with self.path.open("ab") as file:
            file.write(json.dumps(whole, allow_nan=False).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        self.lines[job.key] = whole
        return whole


def run_jobs(
    todo: Iterable[Job],
    runs: RunLog,
    *,
    workers: int = 1,
    timeout: float | None = None,
    retry: bool = False,
    data_dir: Path | None = None,
    scores_dir: Path | None = None,
    on_record: Callable[[RunRecord], None] = lambda line: None,
) -> list[RunRecord]:
    """Do what isn't on_record yet -> the lines of all jobs, in their order.

    Parameters
    ----------
    todo : iterable of Job
        What there is to do; a job whose line is in `runs` isn't on_record again.
    workers : int
        RunLog at the same time; the machine's cores are divided among them.
    timeout : float, optional
        Seconds that a run may take.
    retry : bool
        Whether to do again what failed before.
    scores_dir : Path, optional
        A folder for the scores of every run, `.npy`.
    on_record : callable
        Given every new line.
    """
    todo = list(todo)
    threads = max(1, cores() // workers)
    context = _context()
    running: list[_Running] = []
    with _alone(runs.path):
        waiting = deque(pending_jobs(todo, runs, retry=retry))
        try:
            while waiting or running:
                while waiting and len(running) < workers:
                    running.append(_start(context, waiting.popleft(), threads, data_dir, scores_dir))
                for one, line in _finished(running, timeout):
                    running.remove(one)
                    on_record(runs.add(one.job, line | {"threads": threads}))
        finally:
            for one in running:
                one.stop()
    return [runs.lines[job.key] for job in todo]


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Keep a second benchmark from writing into the same file: the lock ends with the process, however that ends."""
    with path.open("ab") as file:
        if fcntl is not None:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise EgbadError(
                    f"Another benchmark writes into '{path}'. Wait until it ends, or give another folder."
                ) from error
        yield


def pending_jobs(todo: Iterable[Job], runs: RunLog, *, retry: bool = False) -> list[Job]:
    """What is left to do."""
    return [job for job in todo if (line := runs.lines.get(job.key)) is None or (retry and line["status"] == "failed")]


def _start(context: Any, job: Job, threads: int, data_dir: Path | None, scores_dir: Path | None) -> _Running:
    receive, send = context.Pipe(duplex=False)
    scores_to = scores_dir / scores_file_name(job) if scores_dir else None
    process = context.Process(target=_child, args=(job, threads, data_dir, scores_to, send), daemon=True)
    process.start()
    send.close()  # so that the death of the child is the end of the line
    return _Running(job, process, receive, time.monotonic())


def scores_file_name(job: Job) -> str:
    """The name of the file for a run's scores."""
    return hashlib.sha256(job.key.encode()).hexdigest()[:24] + ".npy"


def _finished(running: list[_Running], timeout: float | None) -> list[tuple[_Running, RunRecord]]:
    """Wait until some end, by themselves or because they take too long."""
    first = min(one.started for one in running)
    left = None if timeout is None else max(0.0, first + timeout - time.monotonic())
    ready = wait([one.answer for one in running], left)
    over = [(one, one.end()) for one in running if one.answer in ready]
    ended = [one for one, _ in over]
    for one in running:
        if timeout is not None and one not in ended and time.monotonic() - one.started >= timeout:
            one.stop()
            over.append((one, failed(f"It took longer than {timeout:g} seconds.") | {"seconds": {"limit": timeout}}))
    return over


def _context() -> Any:
    """Processes that begin with the libraries imported and nothing else: memory is measured from there."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    # The last is what the first optimizer of a process imports, in seconds that are no part of training.
    context.set_forkserver_preload(["egbad.benchmark.runner", "egbad.detectors.registry", "torch._dynamo"])
    return context
