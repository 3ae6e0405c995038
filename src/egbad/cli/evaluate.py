"""TODO."""

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from egbad.cli import inputs, loading, output
from egbad.cli.app import app
from egbad.cli.options import AsJson, DataDir, DataSource, ImageSize, LabelColumn, ModelFile, Normal

if TYPE_CHECKING:
    pass


@app.command()
def evaluate(
    model: ModelFile,
    data: DataSource,
    label_column: LabelColumn = None,
    normal: Normal = None,
    report: Annotated[Path | None, typer.Option(help="Write a page of HTML with curves and histograms.")] = None,
    image_size: ImageSize = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Measure how well MODEL tells the anomalies of labelled DATA from its normal rows.

    Labels that are numbers: 0 is normal, anything else an anomaly. Other labels need --normal LABEL.
    """
    if report is not None:
        output.check_target(report)
    import time

    from egbad.progress import progress
    from egbad.scoring import metrics
    from egbad.scoring.score_tables import compute_terms

    scorer = loading.load_model(model)
    found = inputs.Source(data, label_column, image_size, data_dir, like=scorer).read()
    anomalous = ~inputs.normal_rows(found.labels, normal)
    started = time.perf_counter()
    with progress("Scoring", len(found.x), unit="rows") as advance:
        scores = sum(compute_terms(scorer, found, advance).values())
    seconds = time.perf_counter() - started
    flags = metrics.count_flags(scores, anomalous, scorer.threshold_)
    measured: dict[str, Any] = {
        "rows": len(anomalous),
        "anomalies": flags.anomalies,
        "auroc": metrics.auroc(scores, anomalous),
        "average_precision": metrics.average_precision(scores, anomalous),
        "base_rate": metrics.base_rate(anomalous),
        "threshold": float(scorer.threshold_),
        "flagged_normals": flags.false_alarm_rate,
        "flagged_anomalies": flags.recall,
        "seconds": seconds,
    }
    if report is not None:
        _write_report(report, scorer, found, scores, anomalous, measured, (model, data))
        measured["report"] = str(report)
    shown = measured if as_json else {name.replace("_", " "): value for name, value in measured.items()}
    output.show(f"{model} on {data}", shown, as_json=as_json)


def _write_report(
    path: Path, detector: Any, data: Any, scores: Any, anomalous: Any, measured: dict[str, Any], names: tuple[Path, str]
) -> None:
    import hashlib

    from egbad.data.ragged import update_digest
    from egbad.model_file import atomic_write
    from egbad.report import evaluation_report, evaluation_to_html

    model, source = names
    digest = hashlib.sha256()
    update_digest(digest, data.x)
    page = evaluation_report(
        title=f"{Path(model).stem} meets {Path(source).name}",
        summary=f"Of {measured['anomalies']:,} anomalies it flags {measured['flagged_anomalies']:.1%}, of "
        f"{measured['rows'] - measured['anomalies']:,} normal rows {measured['flagged_normals']:.1%}; "
        f"AUROC {measured['auroc']:.3f}.",
        description=detector.describe(),
        scores=scores,
        anomalous=anomalous,
        threshold=detector.threshold_,
        history=getattr(detector, "history_", {}),
        fit_seconds=detector.fit_seconds_,
        score_seconds=measured["seconds"],
        data={
            "name": Path(source).name,
            "rows": measured["rows"],
            "digest": digest.hexdigest(),
        },
        command=shlex.join(["egbad", *sys.argv[1:]]),
    )
    with atomic_write(path) as draft:
        draft.write_text(evaluation_to_html(page), encoding="utf-8")
