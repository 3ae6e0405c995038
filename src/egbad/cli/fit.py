"""The commands. Each imports what it needs when it runs, so that `--help` answers at once."""

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer

from egbad.cli import inputs, loading, output
from egbad.cli.app import app, data_app
from egbad.cli.options import ENGINES, AsJson, Columns, DataDir, DataSource, ImageSize, LabelColumn, Normal, SkipBad
from egbad.errors import InvalidInputError, StoppedError, unknown

app.add_typer(data_app)


# -- fit ---------------------------------------------------------------------------------------------------------------


@app.command()
def fit(
    context: typer.Context,
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
    columns: Columns = None,
    most_rows: Annotated[
        int | None,
        typer.Option(
            min=2,
            help="Learn from so many rows or images, by chance (default: what 128 MiB hold).",
        ),
    ] = None,
    image_size: ImageSize = None,
    tile: Annotated[
        int | None,
        typer.Option(
            metavar="PIXELS",
            help="Learn images at their full size by overlapping patches, so high and wide; the worst patch scores.",
        ),
    ] = None,
    skip_bad: SkipBad = False,
    data_dir: DataDir = None,
    start: Annotated[
        Path | None,
        typer.Option(metavar="MODEL", help="Begin with the weights of an earlier model, when there is more data."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a fit that was stopped or killed.")] = False,
    checkpoint_every: Annotated[
        float, typer.Option(metavar="SECONDS", min=0, help="How often to leave what --resume goes on from.")
    ] = 60.0,
    engine: Annotated[
        str, typer.Option(help="local, or ray: learn together on Ray Train's workers, here or on a cluster.")
    ] = "local",
    workers: Annotated[
        int | None, typer.Option(min=1, help="Of --engine ray (default: as many as there are cores, or GPUs).")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress and no table.")] = False,
    as_json: AsJson = False,
) -> None:
    """Learn what is normal from DATA and write a model file.

    All rows are taken for normal, or with --normal LABEL those with that label. The label column is never learned from.
    A fit that was killed goes on where it was with the same command and --resume, and ends with the same bits.
    Processes that torchrun starts with this command learn one model together.
    """
    output.check_target(out)
    if engine not in ENGINES:
        raise unknown("engine", engine, ENGINES)
    given = {"members": members, "alpha": alpha, "random_state": seed, "verbose": not (quiet or as_json)}
    chosen = inputs.parse_settings(settings or []) | {name: v for name, v in given.items() if v is not None}
    learner = loading.make_detector(detector, chosen) if tile is None else loading.make_tiled(detector, chosen, tile)
    schema = inputs.read_schema(columns)
    if engine == "ray":
        from egbad.cli import main
        from egbad.distributed import run_on_ray

        run_on_ray(main, _as_typed(context, without=("engine", "workers")), workers)
        learned = _load(out)
        rows = learned.n_train_ + learned.n_calibration_
        _show_learned(learned, rows, data, out, quiet=quiet, as_json=as_json)
        return
    from egbad.distributed import process_group
    from egbad.training.checkpoints import Checkpoints

    earlier = None if start is None else _load(start)
    source = inputs.Source(data, label_column, image_size, data_dir, schema, skip_unreadable=skip_bad, patch=tile)
    with process_group() as group, nullcontext() if group.is_first else output.silence():
        found = _rows_to_learn(source.stream(), normal, most_rows, seed, enabled=not (quiet or as_json))
        inputs.check_names(schema, found)
        if tile is not None and found.x.ndim == 2:
            raise InvalidInputError("--tile is for images, DATA holds rows. Leave it out.")
        output.note_bad(list(found.unreadable))
        checkpoints = Checkpoints(f"{out}.checkpoints", every=checkpoint_every, resume=resume)
        _fit(learner, found, checkpoints, earlier, group)
        if group.is_first:
            learner.save(out)
            checkpoints.clear()
            _show_learned(learner, len(found.x), data, out, quiet=quiet, as_json=as_json)


def _load(path: Path) -> Any:
    from egbad.detectors import registry

    return registry.load(path)


def _show_learned(learner: Any, rows: int, data: str, out: Path, *, quiet: bool, as_json: bool) -> None:
    """What was learned, as a table or JSON."""
    about = learner.describe()
    if as_json:
        output.show_json({"model": str(out), "rows": rows} | about)
    elif not quiet:
        pixels = {} if learner.kind_ == "rows" else {"pixels": _pixels(learner)}
        values = {
            "rows": rows,
            **pixels,
            "calibration rows": about["calibration_rows"],
            "threshold": about["threshold"],
            "seconds": round(about["fit_seconds"], 1),
            "health": " ".join(about.get("health", ())) or "nothing to report",
        }
        output.show(f"Learned from {data}, written to {out}", values, as_json=False)
        if kinds := about["input"].get("kinds"):
            output.show_rows("Columns", ("name", "holds"), list(kinds.items()))


def _pixels(learner: Any) -> str:
    """Of the images that were learned from."""
    height, width = learner.shape_[-2:]
    return f"{height} x {width}" if learner.min_image_side is None else f"any, from {height} x {width} on"


def _fit(learner: Any, rows: Any, checkpoints: Any, start: Any, process_group: Any) -> None:
    """Learn, so that what is interrupted can go on."""
    if checkpoints.exist() and not checkpoints.resume:
        output.note("An earlier fit left checkpoints; this one begins anew, since --resume wasn't given.")
    try:
        learner.fit(rows, checkpoints=checkpoints, init_from=start, process_group=process_group)
    except KeyboardInterrupt:
        if not checkpoints.exist():
            raise
        raise StoppedError(
            f"Interrupted: no model was written. The same command with --resume goes on from '{checkpoints.folder}'."
        ) from None


def _as_typed(context: typer.Context, without: Sequence[str]) -> list[str]:
    """A command as it was typed, without some of its options."""
    words = [str(context.info_name)]
    for parameter in context.command.params:
        value = context.params.get(str(parameter.name))
        if parameter.name in without or value is None or value is False:
            continue
        if parameter.param_type_name == "argument":
            words.append(str(value))
        elif value is True:
            words.append(parameter.opts[0])
        else:
            values = value if isinstance(value, list | tuple) else [value]
            words += [word for one in values for word in (parameter.opts[0], str(one))]
    return words


def _rows_to_learn(stream: Any, normal: str | None, most: int | None, seed: int, *, enabled: bool) -> Any:
    """The rows labelled `normal`, or all of them: as many as memory holds, by chance."""
    import numpy as np

    from egbad.data import sample
    from egbad.progress import progress

    labels = set[str]()

    def wanted(data: Any) -> Any:
        labels.update(inputs.names_of(data.labels))
        return np.ones(len(data.x), dtype=np.bool_) if normal is None else inputs.is_normal(data.labels, normal)

    with progress("Reading", stream.n_rows, unit="rows", enabled=enabled) as advance:
        rows, seen = sample(stream, most, seed, row_filter=wanted, advance=advance)
    if normal is not None and not seen:
        raise unknown("label", normal, labels)
    if normal is None and labels:
        output.note(f"Learning from all {seen:,} rows, whatever their label; --normal picks the normal ones.")
    if seen > len(rows.x):
        cover = len(rows.coverage_rows) if rows.coverage_rows is not None else 0
        more = f" and {cover:,} that show a level, a gap or an end of a column which these don't" if cover else ""
        output.note(
            f"Learning from {len(rows.x):,} of {seen:,} rows, chosen by chance{more}; --most-rows says how many."
        )
    return rows


# -- export ------------------------------------------------------------------------------------------------------------


# -- info, demo, data --------------------------------------------------------------------------------------------------
