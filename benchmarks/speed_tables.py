"""Tables of speed and memory."""

from collections.abc import Sequence

from lines import RESULTS, Line, group_by, read_lines
from paper_tables import steps_to_published_f1
from table_format import markdown, span

SHARE = "share of a product's rate"


def targets() -> str:
    """Return the speed targets and what the runs of speed/check.py found."""
    rows = []
    for name, lines in group_by(read_lines(RESULTS / "speed_check.jsonl"), "name").items():
        met = sum(line["ok"] for line in lines)
        found = span([line["found"] for line in lines], 3)
        rows.append((name, f"{lines[0]['target']:,}", found, f"{met} of {len(lines)}"))
    return markdown(("measured", "target", "found", "runs that meet the target"), rows)


def engines() -> str:
    """Return the rates of the scoring engines."""
    rows = [
        (line["engine"], f"{line['seconds']:.0f}", span([line["rows_per_second"]], 3), f"{line['start']:.0f}")
        for line in read_lines(RESULTS / "engines.jsonl")
    ]
    return markdown(("engine", "seconds for 4 million rows", "rows a second", "seconds to start"), rows)


def loading() -> str:
    """Return images a second by job and method, and the share of the cores' time."""
    found = group_by(read_lines(RESULTS / "loading.jsonl"), "images", "job")
    methods = list(dict.fromkeys(line["way"] for lines in found.values() for line in lines))
    rows = []
    for (images, job), lines in found.items():
        by_method = {line["way"]: line for line in lines}
        rows.append((images, job, *(_loading(by_method[method]) for method in methods)))
    return markdown(("images", "job", *methods), rows)


def _loading(line: Line) -> str:
    """Format a median, all repeats and the share of the cores' time."""
    repeats = ", ".join(f"{value:.1f}" for value in line["repeats"])
    return f"{line['images_per_second']:.1f} ({repeats}), {line['busy']:.2f}"


def growth() -> str:
    """Return seconds by size, and the exponent."""
    rows = [
        (
            line["what"],
            ", ".join(f"{size:,}" for size in line["sizes"]),
            ", ".join(f"{seconds:.3g}" for seconds in line["seconds"]),
            f"{line['exponent']:.2f}",
        )
        for line in read_lines(RESULTS / "growth.jsonl")
    ]
    return markdown(("measured", "sizes", "seconds", "exponent"), rows)


def gpu_training() -> str:
    """Return steps a second on two machines with a GPU, and the time per member relative to one member."""
    lines = [line for line in read_lines(RESULTS / "gpu.jsonl") if line["what"].startswith("training")]
    for line in lines:
        line.setdefault("precision", "float32")
    medians = {
        (line["machine"], line["what"], line["members"], line["precision"]): line["steps a second"]["median"]
        for line in lines
    }
    rows: list[Sequence[object]] = []
    for (what, members, precision), own in group_by(lines, "what", "members", "precision").items():
        cells = []
        for line in own:
            steps, one = line["steps a second"], medians[line["machine"], what, 1, "float32"]
            cells += [_rate(steps, 0), f"{one / steps['median'] / members:.2g}"]
        rows.append((what.removeprefix("training, "), members, precision, *cells))
    machine = "time per member, relative to one"
    return markdown(
        ("data", "members", "precision", "steps a second, machine 1", machine, "steps a second, machine 2", machine),
        rows,
    )


def gpu_scoring() -> str:
    """Return the rates of scoring on two machines with a GPU."""
    lines = [line for line in read_lines(RESULTS / "gpu.jsonl") if line["what"].startswith("scoring")]
    rows = [
        (
            line["what"].removeprefix("scoring, "),
            line["precision"],
            line["machine"],
            _rate(line["a second"], -3),
            _rate(line["model alone"], -3),
            f"{line[SHARE]:.3f}",
        )
        for line in lines
    ]
    head = ("data", "precision", "machine", "a second", "model alone, a second", "of the rate of a large product")
    return markdown(head, rows)


def gpu_papers_tables() -> str:
    """Return the results of EGBAD's default on the paper's two experiments, run on a GPU."""
    lines = [line for line in read_lines(RESULTS / "gpu.jsonl") if line["what"].startswith(("table", "both tables"))]
    rows: list[Sequence[object]] = []
    for line in lines:
        if "runs" in line:
            metric, name = ("f1", "F1") if "f1" in line else ("average_precision", "average precision")
            seconds = f"{line['seconds to fit']['median']:.1f} a fit"
            value = f"{line[metric]:.4f} ± {line['spread']:.4f}"
            rows.append((line["what"].removeprefix("table, "), line["runs"], name, value, seconds))
        else:
            rows.append(("both", sum(row[1] for row in rows), "", "", f"{line['seconds']:.0f} in all"))
    return markdown(("data", "fits", "metric", "mean and spread over fits", "seconds"), rows)


def _rate(found: Line, digits: int) -> str:
    """Format median, minimum and maximum."""
    median, low, high = (f"{round(found[name], digits):,.0f}" for name in ("median", "least", "most"))
    return f"{median} ({low} to {high})"


def large() -> str:
    """Return time and memory of fitting and scoring many rows."""
    rows = [
        (
            f"{line['rows']:,}",
            f"{line['data_gib']:.1f}",
            f"{line['fit_peak_gib']:.2f}",
            f"{line['peak_gib']:.2f}",
            f"{line['fit_seconds']:.0f}",
            f"{line['seconds']:.0f}",
        )
        for line in read_lines(RESULTS / "large.jsonl")
    ]
    head = ("rows", "Parquet, GiB", "memory of fit, GiB", "memory of score, GiB", "fit, s", "score, s")
    return markdown(head, rows)


def time_to_f1() -> str:
    """Return steps and seconds until F1 reaches the published value."""
    (line,) = read_lines(RESULTS / "time_to_f1.jsonl")
    rows = []
    for name, steps in (("default", line["steps_default"]), ("paper", steps_to_published_f1())):
        found, milliseconds = sorted(n for n in steps if n is not None), line[f"step_ms_{name}"]
        seconds = ", ".join(f"{n * milliseconds / 1000:.3g}" for n in found)
        reached = f"{len(found)} of {len(steps)}"
        rows.append((name, reached, ", ".join(f"{n:,}" for n in found), f"{milliseconds:.1f}", seconds))
    return markdown(("recipe", "runs that reach it", "steps", "ms a step", "seconds"), rows)


def photographs() -> str:
    """Return the time of one photograph by its side, and what a fit of many takes."""
    rows: list[Sequence[object]] = []
    for line in read_lines(RESULTS / "photograph_speed.jsonl"):
        if line["job"] == "fit":
            job, found = f"fit {line['images']:,} images", f"{line['seconds']:,.0f} s, {line['peak_gib']:.2f} GiB"
        else:
            job, found = "one image", f"{line['median_ms']:.0f} ms (90 % below {line['p90_ms']:.0f})"
        rows.append((line["detector"], line["side"], job, found))
    return markdown(("detector", "side, pixels", "job", "time and peak of memory"), rows)


def pyod() -> str:
    """Return the time of PyOD's search and of EGBAD's pass."""
    (line,) = read_lines(RESULTS / "pyod.jsonl")
    ratio = f"{line['ratio']:,.0f} ({line['ratio_low']:,.0f} to {line['ratio_high']:,.0f})"
    row = (line["pyod"], f"{line['pyod_ms_a_row']:.0f}", f"{line['egbad_us_a_row']:.1f}", ratio)
    return markdown(("PyOD", "PyOD, ms a row", "EGBAD, microseconds a row", "ratio"), [row])
