"""The work of `egbad recalibrate`."""

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from egbad.cli.inputs import Source, normal_mask
from egbad.cli.output import note_skipped
from egbad.cli.tables import print_values
from egbad.data import take_rows
from egbad.data.defect_folders import find_defect_folder
from egbad.detectors.base import Detector
from egbad.errors import InvalidInputError
from egbad.loading import load
from egbad.scoring import calibration


def recalibrate(
    model: Path, source: Source, out: Path, *, alpha: float | None, normal: str | None, as_json: bool
) -> None:
    """Recalibrate a model, write it and print what has changed.

    Parameters
    ----------
    model : Path
    source : Source
        Normal rows or images. Of a folder laid out as MVTec AD, those in train/good.
    out : Path
        Model file to write.
    alpha : float, optional
        False-alarm rate. By default that of the model.
    normal : str, optional
        Label of the rows to use. By default all rows.
    as_json : bool

    Raises
    ------
    InvalidInputError
        If the model is an exported graph, or the data does not fit it.
    """
    scorer = load(model)
    if not isinstance(scorer, Detector):
        raise InvalidInputError(
            "An exported model keeps its threshold. Recalibrate the model that it was exported from, and export it again."
        )
    if (folder := find_defect_folder(Path(source.given))) is not None:
        source = replace(source, given=str(folder.train))
    data = replace(source, scorer=scorer, with_labels=normal is not None).read()
    if normal is not None:
        data = take_rows(data, np.flatnonzero(normal_mask(data.labels, normal)))
    note_skipped(data.unreadable)
    scorer.recalibrate(data, alpha)
    scorer.save(out)
    assert scorer.recalibration_ is not None
    values = asdict(scorer.recalibration_) | {
        "threshold": scorer.threshold_,
        "false_alarm_rate": calibration.false_alarm_rate(scorer.calibration_scores_, scorer.threshold_),
        "out": str(out),
    }
    print_values(f"{model}, recalibrated by {source.given}", values, as_json=as_json)
