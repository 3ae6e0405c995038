"""The work of `egbad tune`."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from egbad.cli.inputs import Source, normal_mask
from egbad.cli.output import note, print_json
from egbad.cli.parameters import parse_parameters
from egbad.cli.tables import print_table
from egbad.data import Data, take_rows
from egbad.detectors.registry import create
from egbad.errors import require_extra
from egbad.tuning import Trial, TuningResult, tune


@dataclass(frozen=True, kw_only=True)
class TuneRequest:
    """Arguments and options of `egbad tune`."""

    source: Source
    normal: str | None
    detector: str
    settings: Sequence[str] | None
    trials: int
    folds: int
    seconds: float | None
    seed: int
    show_progress: bool


def tune_and_save(request: TuneRequest, out: Path) -> TuningResult:
    """Search for parameters, and save the model that is fitted with the best ones.

    Parameters
    ----------
    request : TuneRequest
    out : Path
        Model file to write.

    Returns
    -------
    TuningResult
    """
    require_extra("'egbad tune'", "tune", "optuna")
    fixed = parse_parameters(request.detector, request.settings)
    learner = create(request.detector, **fixed)
    source = replace(request.source, learners=[learner], whole=request.normal is not None)
    rows, anomalies = _split_by_label(source.read(), request.normal)
    result = tune(
        rows,
        request.detector,
        anomalies=anomalies,
        n_trials=request.trials,
        n_folds=request.folds,
        timeout=request.seconds,
        fixed_params=fixed,
        random_state=request.seed,
        verbose=request.show_progress,
    )
    result.detector.normal_label_ = request.normal
    result.detector.save(out)
    return result


def _split_by_label(data: Data, normal: str | None) -> tuple[Data, Data | None]:
    """Return normal rows, and the labelled anomalies if a label of normal rows is given."""
    if normal is None:
        if data.labels is not None:
            note("The labels of the data are not used. Use --normal LABEL to judge by the rows with other labels.")
        return replace(data, labels=None), None
    mask = normal_mask(data.labels, normal)
    return take_rows(data, mask), take_rows(data, ~mask)


def print_result(result: TuningResult, out: Path, *, as_json: bool) -> None:
    """Print the trials and the chosen parameters as a table or as JSON.

    Parameters
    ----------
    result : TuningResult
    out : Path
        The model file that was written.
    as_json : bool
    """
    if as_json:
        print_json(_to_json_dict(result, out))
        return
    trials = sorted(result.trials, key=lambda trial: -trial.auroc if trial.fold_aurocs else float("inf"))
    rows = [
        (
            _format_parameters(trial.parameters),
            _format_auroc(trial),
            f"{trial.seconds:.1f}",
            "chosen" if trial is result.chosen else "",
        )
        for trial in trials
    ]
    header = ("parameters that differ from the defaults", "AUROC", "seconds", "")
    print_table(f"AUROC on {result.judged_by}", header, rows)
    if result.cross_validated is not None:
        note(
            f"Parameters chosen this way have an AUROC of {result.cross_validated:.4f} on labelled anomalies and normal "
            "rows that were not used for the choice."
        )
    note(f"Fitted to all normal rows with {_format_parameters(result.chosen.parameters)}, written to {out}.")


def _to_json_dict(result: TuningResult, out: Path) -> dict[str, Any]:
    return {
        "model": str(out),
        "judged_by": result.judged_by,
        "chosen": result.chosen.parameters,
        "auroc": result.chosen.auroc,
        "auroc_of_defaults": result.trials[0].auroc if result.trials[0].fold_aurocs else None,
        "cross_validated": result.cross_validated,
        "trials": [asdict(trial) for trial in result.trials],
        "detector": result.detector.describe(),
    }


def _format_parameters(parameters: Mapping[str, Any]) -> str:
    names = {name: name.replace("__", ".") for name in parameters}
    return ", ".join(f"{names[name]}={json.dumps(value)}" for name, value in parameters.items()) or "the defaults"


def _format_auroc(trial: Trial) -> str:
    if not trial.fold_aurocs:
        return f"failed: {trial.failure}"
    return f"{trial.auroc:.4f} ({min(trial.fold_aurocs):.4f} to {max(trial.fold_aurocs):.4f})"
