"""The command that chooses a detector's parameters by the user's own data."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from egbad.cli import inputs, loading, output
from egbad.cli.app import app
from egbad.cli.options import AsJson, DataDir, DataSource, ImageSize, LabelColumn, Normal
from egbad.errors import require_extra

if TYPE_CHECKING:
    from egbad.data import Data
    from egbad.tuning import Trial, Tuned


@app.command()
def tune(
    data: DataSource,
    out: Annotated[Path, typer.Option(help="The model file to write.", show_default=False)],
    detector: Annotated[str, typer.Option(help="Whose parameters; auto is the blend that suits the data.")] = "auto",
    trials: Annotated[int, typer.Option(min=1, help="How many choices to try.")] = 20,
    folds: Annotated[int, typer.Option(min=2, help="Parts of the data, each held out once in every trial.")] = 3,
    seconds: Annotated[float | None, typer.Option(min=0, help="After which no further trial begins.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed makes the same choice.")] = 0,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A parameter that stays; may be repeated.")
    ] = None,
    label_column: LabelColumn = None,
    normal: Normal = None,
    image_size: ImageSize = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Choose a detector's parameters by DATA, and write a model that learned with them.

    All rows are taken for normal, and choices are judged by anomalies that are made of them. With --normal LABEL the
    others are labelled anomalies: they judge instead, and are never learned from.
    """
    output.check_target(out)
    require_extra("'egbad tune'", "tune", "optuna")
    from egbad.tuning import tune as search

    found = inputs.Source(data, label_column, image_size, data_dir).read()
    rows, anomalies = _apart(found, normal)
    fixed = inputs.parse_settings(settings or [])
    loading.make_detector(detector, fixed)  # a wrong setting is told before the work is done
    tuned = search(
        rows,
        detector,
        anomalies=anomalies,
        trials=trials,
        folds=folds,
        seconds=seconds,
        fixed=fixed,
        random_state=seed,
        verbose=not as_json,
    )
    tuned.detector.save(out)
    if as_json:
        output.show_json(_as_json(tuned, out))
    else:
        _show(tuned, out)


def _apart(data: "Data", normal: str | None) -> tuple["Data", "Data | None"]:
    """Normal rows, and labelled anomalies where there are some."""
    from dataclasses import replace

    if normal is None:
        if data.labels is not None:
            output.note("The labels of the data are not used; with --normal LABEL the other rows judge the choices.")
        return replace(data, labels=None), None
    quiet = inputs.normal_rows(data.labels, normal)
    rows, anomalies = (replace(data, x=data.x[which], labels=None, files=None) for which in (quiet, ~quiet))
    return rows, anomalies


def _as_json(tuned: "Tuned", out: Path) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "model": str(out),
        "judged_by": tuned.judged_by,
        "chosen": tuned.chosen.parameters,
        "auroc": tuned.chosen.value,
        "auroc_of_defaults": tuned.trials[0].value if tuned.trials[0].by_fold else None,
        "cross_validated": tuned.cross_validated,
        "trials": [asdict(trial) for trial in tuned.trials],
    } | {"detector": tuned.detector.describe()}


def _show(tuned: "Tuned", out: Path) -> None:
    ordered = sorted(tuned.trials, key=lambda trial: -trial.value if trial.by_fold else float("inf"))
    rows = [
        (_in_words(t.parameters), _value(t), f"{t.seconds:.1f}", "chosen" if t is tuned.chosen else "") for t in ordered
    ]
    output.show_rows(
        f"AUROC against {tuned.judged_by}, by parameters",
        ("differs from the defaults by", "AUROC", "seconds", ""),
        rows,
    )
    if tuned.cross_validated is not None:
        output.note(
            f"Choosing so has an AUROC of {tuned.cross_validated:.4f} on labelled anomalies and normal rows that had no "
            "part in the choice."
        )
    output.note(f"Learned from all normal rows with {_in_words(tuned.chosen.parameters)}, written to {out}.")


def _in_words(parameters: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={json.dumps(value)}" for name, value in parameters.items()) or "the defaults"


def _value(trial: "Trial") -> str:
    if not trial.by_fold:
        return f"failed: {trial.failure}"
    return f"{trial.value:.4f} ({min(trial.by_fold):.4f} to {max(trial.by_fold):.4f})"
