"""The work of `egbad fit`."""

import shlex
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from egbad.cli.inputs import Source, is_normal, label_names
from egbad.cli.output import note, note_all, note_skipped, print_json, silenced
from egbad.cli.tables import print_table, print_values
from egbad.data import Data, Stream, sample
from egbad.data.quality import find_uninformative
from egbad.data.validation import check_column_names
from egbad.detectors import registry
from egbad.detectors.base import Detector
from egbad.detectors.blend import Blend
from egbad.distributed import process_group, run_on_ray
from egbad.errors import EgbadError, InvalidInputError, StoppedError, unknown
from egbad.output_files import is_device
from egbad.progress import progress
from egbad.training.checkpoints import Checkpoints
from egbad.training.process_group import ProcessGroup

_EXTRA = (
    "After pip install 'egbad[backbones]' the default detector learns photographs by features of a pretrained network at up to "
    "640 x 640 pixels, which takes seconds and finds and locates small defects."
)


@dataclass(frozen=True)
class FitJob:
    """One fit, as the command line describes it. Can be pickled and sent to workers.

    Attributes
    ----------
    detector : Detector
        Detector to fit; it shows progress if it is verbose.
    source : Source
        Training data.
    out : Path
        Model file to write.
    normal : str, optional
        Label of the rows to learn from. By default all rows.
    max_rows : int, optional
        Size of the random sample to learn from.
    seed : int
        Seed of the sample.
    init_from : Path, optional
        Model whose weights training starts from.
    resume : bool
        Continue an interrupted fit.
    checkpoint_seconds : float
        Time between checkpoints.
    reference_backbone : bool
        Leave the weights of the backbone out of the model file.
    """

    detector: Detector[Any]
    source: Source
    out: Path
    normal: str | None
    max_rows: int | None
    seed: int
    init_from: Path | None
    resume: bool
    checkpoint_seconds: float
    reference_backbone: bool = False


@dataclass(frozen=True)
class FitResult:
    """A fitted detector, and the number of rows that it was given."""

    detector: Detector[Any]
    n_rows: int


def fit_on_ray(job: FitJob, workers: int | None) -> FitResult:
    """Fit on workers of Ray Train, and load the model that they wrote."""
    if is_device(job.out):
        raise InvalidInputError(f"--engine ray writes a model file, but '{job.out}' is a device. Name a file as --out.")
    run_on_ray(partial(fit_here, job), workers)
    detector = registry.load(job.out)
    return FitResult(detector, detector.n_train_ + detector.n_calibration_)


def fit_here(job: FitJob) -> FitResult | None:
    """Fit in this process, or together with the processes that a launcher started, and save the model.

    Parameters
    ----------
    job : FitJob

    Returns
    -------
    FitResult or None
        None in all processes but the first.
    """
    init_from = None if job.init_from is None else registry.load(job.init_from)
    with process_group() as group, nullcontext() if group.is_first else silenced():
        if is_device(job.out):
            rows = _training_rows(job)
            job.detector.fit(rows, init_from=init_from, process_group=group)
            return _save(job, len(rows.x)) if group.is_first else None
        checkpoints = Checkpoints(f"{job.out}.checkpoints", every=job.checkpoint_seconds, resume=job.resume)
        with checkpoints.lock(group):
            rows = _training_rows(job)
            _fit(job.detector, rows, checkpoints, init_from, group)
            if not group.is_first:
                return None
            result = _save(job, len(rows.x), checkpoints)
            checkpoints.clear()
            return result


def _save(job: FitJob, n_rows: int, checkpoints: Checkpoints | None = None) -> FitResult:
    """Write the model file."""
    job.detector.normal_label_ = job.normal
    if job.reference_backbone and not job.detector.backbones:
        note("The model has no backbone: --reference-backbone changes nothing.")
    try:
        job.detector.save(job.out, reference_backbone=job.reference_backbone)
    except EgbadError as error:
        if checkpoints is None or not checkpoints.exist():
            raise
        raise EgbadError(
            f"{error} Run the same command with --resume to continue from '{checkpoints.folder}'."
        ) from error
    return FitResult(job.detector, n_rows)


def _training_rows(job: FitJob) -> Data:
    """Read and check the rows to learn from."""
    stream = job.source.stream()
    _note_better_start(job, stream)
    rows = sample_normal_rows(stream, job.normal, job.max_rows, job.seed, show_progress=bool(job.detector.verbose))
    check_column_names(job.source.column_types, rows)
    if job.source.patch_size is not None and rows.x.ndim == 2:
        raise InvalidInputError("--tile is for images, but DATA holds rows. Omit it.")
    note_skipped(rows.unreadable)
    note_all(find_uninformative(rows).notes())
    return rows


def _note_better_start(job: FitJob, stream: Stream) -> None:
    """Name the better command before a long training on large images that are shrunk, or the extra that such images need."""
    lacks_extra = isinstance(job.detector, Blend) and job.detector.lacks_extra(stream.usual_size)
    advice = _EXTRA if lacks_extra else ""
    if stream.shrunk is not None:
        full, shrunk = (f"{height} x {width}" for height, width in stream.shrunk)
        command = shlex.join(["egbad", "fit", job.source.given, "--out", str(job.out)])
        advice = advice or f"The default detector does not shrink photographs: {command}"
        advice = f"The images have {full} pixels and are shrunk to {shrunk}, which hides small defects. {advice}"
    if advice:
        note(advice)


def sample_normal_rows(
    stream: Stream, normal: str | None, max_rows: int | None, seed: int, *, show_progress: bool
) -> Data:
    """Draw a random sample of the normal rows of a stream.

    Parameters
    ----------
    stream : Stream
    normal : str or None
        Label of the normal rows. None takes all rows.
    max_rows : int or None
        Size of the sample. By default as many rows as 128 MiB hold.
    seed : int
    show_progress : bool

    Returns
    -------
    Data

    Raises
    ------
    InvalidInputError
        If no row has the label `normal`.
    """
    names = set[str]()

    def mask(batch: Data) -> NDArray[np.bool_]:
        names.update(label_names(batch.labels))
        return np.ones(len(batch.x), dtype=np.bool_) if normal is None else is_normal(batch.labels, normal)

    with progress("Reading", stream.n_rows, unit="rows", enabled=show_progress) as advance:
        rows, n_seen = sample(stream, max_rows, seed, row_filter=mask, advance=advance)
    if normal is not None and not n_seen:
        raise unknown("label", normal, names)
    if normal is None and names:
        note(f"Learning from all {n_seen:,} rows, whatever their label. Use --normal to learn from normal rows only.")
    if n_seen > len(rows.x):
        n_more = 0 if rows.coverage_rows is None else len(rows.coverage_rows)
        more = f", and {n_more:,} rows with levels, missing values or extremes that the sample lacks" if n_more else ""
        note(
            f"Learning from a random sample of {len(rows.x):,} of {n_seen:,} rows{more}. Change its size with --max-rows."
        )
    return rows


def _fit(
    detector: Detector[Any],
    rows: Data,
    checkpoints: Checkpoints,
    init_from: Detector[Any] | None,
    group: ProcessGroup,
) -> None:
    """Fit a detector so that an interrupted fit can be resumed."""
    if checkpoints.exist() and not checkpoints.resume:
        note("Found checkpoints of an earlier fit. Starting over; use --resume to continue it.")
    try:
        detector.fit(rows, checkpoints=checkpoints, init_from=init_from, process_group=group)
    except KeyboardInterrupt:
        if not checkpoints.exist():
            raise
        raise StoppedError(
            "Interrupted: no model was written. Run the same command with --resume to continue from "
            f"'{checkpoints.folder}'."
        ) from None


def print_summary(result: FitResult, data: str, out: Path, *, as_json: bool) -> None:
    """Print what a detector has learned, as a table or as JSON."""
    detector, description = result.detector, result.detector.describe()
    if as_json:
        print_json({"model": str(out), "rows": result.n_rows} | description)
        return
    size = {} if detector.kind_ == "rows" else {"pixels": _image_size(detector)}
    values = {
        "rows": result.n_rows,
        **size,
        "calibration rows": description["calibration_rows"],
        "threshold": description["threshold"],
        "seconds": round(description["fit_seconds"], 1),
        "health": " ".join(description.get("health", ())) or "nothing to report",
    }
    print_values(f"Learned from {data}, written to {out}", values, as_json=False)
    if types := description["input"].get("column_types"):
        print_table("Columns", ("name", "type"), list(types.items()))


def _image_size(detector: Detector[Any]) -> str:
    if (side := detector.min_image_side) is not None:
        return f"any, at least {side} x {side}"
    height, width = detector.shape_[-2:]
    return f"{height} x {width}"
