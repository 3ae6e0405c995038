"""The commands. Each imports what it needs when it runs, so that `--help` answers at once."""

import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from egbad.cli import inputs, output
from egbad.errors import InvalidInputError, StoppedError

app = typer.Typer(
    name="egbad",
    help="Learn from normal rows or images, score new ones, say which are anomalies.",
    add_completion=False,
    pretty_exceptions_enable=False,
)
data_app = typer.Typer(name="data", help="Public data sets, checksummed and cached.")
app.add_typer(data_app)

ModelFile = Annotated[
    Path, typer.Argument(metavar="MODEL", help="A file that 'egbad fit' or 'egbad export' wrote.", show_default=False)
]
DataSource = Annotated[
    str,
    typer.Argument(
        metavar="DATA",
        help="A .csv, .parquet, .npz or .npy file, a folder of images, or a name from 'egbad data list'.",
        show_default=False,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
LabelColumn = Annotated[
    str | None,
    typer.Option(help="The column that holds labels, a key of a .npz, or 'folder' for images sorted into folders."),
]
Normal = Annotated[str | None, typer.Option(metavar="LABEL", help="The label of normal rows.")]
ImageSize = Annotated[str | None, typer.Option(metavar="HxW", help="Bring the images of a folder to this size.")]
DataDir = Annotated[Path | None, typer.Option(help="A local copy of the public data sets (or set EGBAD_DATA).")]


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"egbad {version('egbad')}")
        raise typer.Exit()


@app.callback(invoke_without_command=True)
def _start(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    _help_if_bare(context)


@data_app.callback(invoke_without_command=True)
def _start_data(context: typer.Context) -> None:
    _help_if_bare(context)


def _help_if_bare(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


# -- fit ---------------------------------------------------------------------------------------------------------------


@app.command()
def fit(
    data: DataSource,
    out: Annotated[Path, typer.Option(help="The model file to write.", show_default=False)],
    detector: Annotated[
        str, typer.Option(help="Which detector learns; auto is the blend that suits the data.")
    ] = "auto",
    members: Annotated[int | None, typer.Option(help="Networks that are trained together and averaged.")] = None,
    alpha: Annotated[float | None, typer.Option(help="The share of normal rows that may be flagged.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same scores.")] = 0,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Any other parameter; may be repeated.")
    ] = None,
    label_column: LabelColumn = None,
    normal: Normal = None,
    image_size: ImageSize = None,
    data_dir: DataDir = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a fit that was stopped or killed.")] = False,
    checkpoint_every: Annotated[
        float, typer.Option(metavar="SECONDS", min=0, help="How often to leave what --resume goes on from.")
    ] = 60.0,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress and no table.")] = False,
    as_json: AsJson = False,
) -> None:
    """Learn what is normal from DATA and write a model file.

    All rows are taken for normal, or with --normal LABEL those with that label. The label column is never learned from.
    A fit that was killed goes on where it was with the same command and --resume, and ends with the same bits.
    """
    output.check_target(out)
    from egbad.checkpoints import Checkpoints

    given = {"members": members, "alpha": alpha, "random_state": seed, "verbose": not (quiet or as_json)}
    chosen = inputs.parse_settings(settings or []) | {name: v for name, v in given.items() if v is not None}
    learner = inputs.make_detector(detector, chosen)
    rows = _rows_to_learn(inputs.read_data(data, label_column, image_size, data_dir), normal)
    _fit(learner, rows, out, Checkpoints(f"{out}.checkpoints", every=checkpoint_every, resume=resume))
    about = learner.describe()
    if as_json:
        output.show_json({"model": str(out), "rows": len(rows.x)} | about)
    elif not quiet:
        values = {
            "rows": len(rows.x),
            "calibration rows": about["calibration_rows"],
            "threshold": about["threshold"],
            "seconds": round(about["fit_seconds"], 1),
            "health": " ".join(about.get("health", ())) or "nothing to report",
        }
        output.show(f"Learned from {data}, written to {out}", values, as_json=False)


def _fit(learner: Any, rows: Any, out: Path, checkpoints: Any) -> None:
    """Learn and save, so that what is interrupted can go on."""
    if checkpoints.any() and not checkpoints.resume:
        output.note("An earlier fit left checkpoints; this one begins anew, since --resume wasn't given.")
    try:
        learner.fit(rows, checkpoints=checkpoints)
    except KeyboardInterrupt:
        if not checkpoints.any():
            raise
        raise StoppedError(
            f"Interrupted: no model was written. The same command with --resume goes on from '{checkpoints.folder}'."
        ) from None
    learner.save(out)
    checkpoints.clear()


def _rows_to_learn(data: Any, normal: str | None) -> Any:
    """The rows labelled `normal`, or all of them."""
    from dataclasses import replace

    if normal is None:
        if data.labels is not None:
            output.note(
                f"Learning from all {len(data.x):,} rows, whatever their label; --normal picks the normal ones."
            )
        return replace(data, labels=None)
    return replace(data, x=data.x[inputs.normal_rows(data.labels, normal)], labels=None, files=None)


# -- score -------------------------------------------------------------------------------------------------------------


@app.command()
def score(
    model: ModelFile,
    data: DataSource,
    out: Annotated[Path | None, typer.Option(help="A .csv, .parquet or .jsonl file (default: CSV on stdout).")] = None,
    terms: Annotated[bool, typer.Option("--terms", help="Add what each score is made of.")] = False,
    alpha: Annotated[float | None, typer.Option(help="Flag at this false-alarm rate, not at the model's own.")] = None,
    fdr: Annotated[
        float | None, typer.Option(metavar="Q", help="Add a column: discoveries of which a share Q may be false.")
    ] = None,
    label_column: LabelColumn = None,
    image_size: ImageSize = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Score DATA: one line per row or image, a higher score is more anomalous."""
    _check_rate("alpha", alpha)
    _check_rate("fdr", fdr)
    if out is not None:
        output.check_table(out)
    from egbad import calibration, load

    scorer = load(model)
    found = inputs.read_data(data, label_column, image_size, data_dir)
    threshold = calibration.threshold(scorer.calibration_scores_, alpha) if alpha else scorer.threshold_
    columns = _scored(scorer, found, threshold, terms=terms, fdr=fdr)
    summary = _summary(columns, threshold, out)
    if out is not None:
        output.write_table(out, columns)
    if as_json:
        output.show_json(summary if out else summary | {"scores": list(output.rows(columns))})
        return
    if out is None:
        output.show_csv(columns)
    where = f", written to {out}" if out else ""
    output.note(f"{summary['rows']:,} rows, {summary['flagged']:,} flagged ({summary['flagged_share']:.2%}){where}.")


def _summary(columns: dict[str, Any], threshold: float, out: Path | None) -> dict[str, Any]:
    flagged = columns["anomaly"]
    summary = {
        "rows": len(flagged),
        "flagged": int(flagged.sum()),
        "flagged_share": float(flagged.mean()),
        "threshold": float(threshold),
        "out": str(out) if out else None,
    }
    return summary | ({"discoveries": int(columns["discovery"].sum())} if "discovery" in columns else {})


def _check_rate(name: str, value: float | None) -> None:
    if value is not None and not 0 < value < 1:
        raise InvalidInputError(f"{name} must be in (0, 1), got {value}.")


def _scored(detector: Any, data: Any, threshold: float, *, terms: bool, fdr: float | None) -> dict[str, Any]:
    """The columns of the table of scores."""
    import numpy as np

    from egbad import calibration

    parts = _score_terms(detector, data)
    scores = np.asarray(sum(parts.values()))
    p = calibration.p_values(detector.calibration_scores_, scores)
    columns: dict[str, Any] = {"file": np.array(data.files)} if data.files else {"row": np.arange(len(scores))}
    columns |= {"score": scores, "p_value": p, "anomaly": scores > threshold}
    if fdr:
        columns["discovery"] = calibration.benjamini_hochberg(p, fdr)
    return columns | parts if terms else columns


def _score_terms(detector: Any, data: Any) -> dict[str, Any]:
    """The terms (n,) of every row's score, with progress."""
    from dataclasses import replace

    import numpy as np

    from egbad.progress import progress

    n = len(data.x)
    # Rows that aren't finite are left to the detector in one piece: its error names a row, and must count from the first.
    size = 4096 if np.isfinite(data.x).all() else n
    parts = []
    with progress("Scoring", n, unit="rows") as advance:
        for start in range(0, n, size):
            piece = replace(data, x=data.x[start : start + size], files=None, labels=None)
            parts.append(detector.score_terms(piece))
            advance(len(piece.x))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


# -- evaluate ----------------------------------------------------------------------------------------------------------


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

    from egbad import load, metrics

    scorer = load(model)
    found = inputs.read_data(data, label_column, image_size, data_dir)
    anomalous = ~inputs.normal_rows(found.labels, normal)
    started = time.perf_counter()
    scores = sum(_score_terms(scorer, found).values())
    seconds = time.perf_counter() - started
    flags = metrics.flags(scores, anomalous, scorer.threshold_)
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

    import numpy as np

    from egbad.persistence import replacing
    from egbad.report import evaluation_report, to_html

    model, source = names
    page = evaluation_report(
        title=f"{Path(model).stem} meets {Path(source).name}",
        lead=f"Of {measured['anomalies']:,} anomalies it flags {measured['flagged_anomalies']:.1%}, of "
        f"{measured['rows'] - measured['anomalies']:,} normal rows {measured['flagged_normals']:.1%}; "
        f"AUROC {measured['auroc']:.3f}.",
        about=detector.describe(),
        scores=scores,
        anomalous=anomalous,
        threshold=detector.threshold_,
        history=getattr(detector, "history_", {}),
        seconds={"fit": detector.fit_seconds_, "score": measured["seconds"]},
        data={
            "name": Path(source).name,
            "rows": measured["rows"],
            "digest": hashlib.sha256(np.ascontiguousarray(data.x).data).hexdigest(),
        },
        command=shlex.join(["egbad", *sys.argv[1:]]),
    )
    with replacing(path) as draft:
        draft.write_text(to_html(page), encoding="utf-8")


# -- export ------------------------------------------------------------------------------------------------------------


@app.command()
def export(
    model: ModelFile,
    out: Annotated[Path, typer.Option(help="The .onnx file to write.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Write MODEL as one ONNX graph, from raw rows or images to scores; 'egbad score' takes it, and needs no torch then."""
    from egbad.runtime import SUFFIX

    if out.suffix.lower() != SUFFIX:
        raise InvalidInputError(f"An exported detector is a file that ends in {SUFFIX}, got '{out.name}'.")
    output.check_target(out)
    from egbad import registry
    from egbad.export import export as write

    detector = registry.load(model)
    write(detector, out)
    told = {"detector": detector.name, "bytes": out.stat().st_size, "out": str(out)}
    output.show(f"{model} as an ONNX graph", told, as_json=as_json)


# -- info, demo, data --------------------------------------------------------------------------------------------------


@app.command()
def info(model: ModelFile, as_json: AsJson = False) -> None:
    """Say what a model file holds: detector, parameters, seeds, versions, input, threshold, health."""
    from egbad import load

    about = load(model).describe()
    output.show(str(model), about if as_json else output.flat(about), as_json=as_json)


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="The page to write.")] = Path("report.html"),
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same scores.")] = 0,
    normal: Annotated[int, typer.Option(min=0, max=9, help="The digit to learn.")] = 5,
    anomaly: Annotated[int, typer.Option(min=0, max=9, help="The digit to meet.")] = 7,
    as_json: AsJson = False,
) -> None:
    """Learn a digit from real handwriting, meet another, and show both in report.html, in about a minute."""
    output.check_target(out)
    if normal == anomaly:
        raise InvalidInputError(f"The two digits must differ, got {normal} twice. Choose another --anomaly.")
    from egbad.demo import run

    measured = run(normal=normal, anomaly=anomaly, seed=seed, out=out, verbose=not as_json)
    shown = measured if as_json else {name.replace("_", " "): value for name, value in measured.items()}
    output.show(f"EGBAD learned the digit {normal} and met the digit {anomaly}", shown, as_json=as_json)


@data_app.command("list")
def data_list(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Show the public data sets: size, terms, and whether they are on this machine."""
    from dataclasses import asdict

    from egbad import datasets

    listed = datasets.describe(data_dir)
    if as_json:
        output.show_json([asdict(entry) for entry in listed])
        return
    rows = [
        (e.name, f"{e.rows:,}", e.shape, f"{e.bytes / 1e6:,.1f} MB", "yes" if e.present else "no", e.terms)
        for e in listed
    ]
    output.show_rows("Public data sets", ("name", "rows", "shape", "to fetch", "here", "terms"), rows)


@data_app.command("get")
def data_get(
    name: Annotated[str, typer.Argument(help="A name from 'egbad data list'.", show_default=False)],
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Fetch a public data set, check its digests, and print where its files are."""
    from egbad import datasets

    files = [str(path) for path in datasets.fetch(name, data_dir)]
    if as_json:
        output.show_json({"name": name, "files": files})
        return
    for file in files:
        typer.echo(file)
    if not files:
        output.note(f"An installed package ships '{name}': there is nothing to fetch.")
