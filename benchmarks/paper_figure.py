"""Draw the paper's MNIST figure, average precision by digit, and the paper's metrics over epochs, from the lines of paper.py.

    python benchmarks/paper_figure.py            # docs/images/paper-mnist.png and docs/images/paper-epochs.png
    python benchmarks/paper_figure.py --check    # exit status 1 if a picture shows other values than the lines

A bar stands where a number is known: published ones of EGBAD by sigma and of the VAE, ours by the paper's recipe at the epoch
that was reached, and those of EGBAD's default from its page. The paper shows AnoGAN and feature matching as bars without
numbers, so their published bars are missing. `benchmarks/tables.py --write` draws these pictures, too.
"""

import argparse
import hashlib
import json
import sys
from pathlib import Path
from statistics import mean, median
from typing import Any

from lines import PAGES, Line, group_by, ok_lines
from paper_tables import (
    DIGITS,
    FOLDER,
    baseline_lines,
    by_protocol,
    default_on_mnist,
    digit,
    finite,
    last_epoch,
    member_lines,
    published_digits,
)
from PIL import Image

from egbad.benchmark.published import FROM_MEMORY, PublishedFigure

IMAGES = Path(__file__).parents[1] / "docs" / "images"
PROTOCOL = "clean"  # of the bars
DIGEST = "values"  # name of the text in a picture that holds the digest of its values
BARS = {  # series -> label and colour, told apart without colour vision
    "vae": ("VAE, published", "#d0d0d0"),
    "vae-paper": ("VAE, its paper's recipe", "#009e73"),
    "egbad-sigma": ("EGBAD sigma, published", "#808080"),
    "fm": ("paper's recipe, FM", "#0072b2"),
    "sigma": ("paper's recipe, sigma", "#56b4e9"),
    "default": ("EGBAD's default", "#e69f00"),
}
DOUBTS = {"impossible": "x", "worse than chance": "!"}  # beginning of a remark -> its mark on a bar
INK = "#333333"
Values = dict[str, Any]


# -- values ------------------------------------------------------------------------------------------------------------


def bar(values: list[float]) -> Values:
    """Return the mean of runs and half the range between them."""
    return {"value": round(mean(values), 4), "spread": round((max(values) - min(values)) / 2, 4)}


def published_bar(figure: PublishedFigure, base_rate: float) -> Values:
    """Return a published value and what is doubtful about it."""
    remarks = figure.remarks(base_rate)
    mark = next((mark for start, mark in DOUBTS.items() if any(remark.startswith(start) for remark in remarks)), "")
    unverified = figure.source == FROM_MEMORY
    return {"value": figure.value, "spread": figure.spread or 0.0, "mark": mark, "unverified": unverified}


def digit_values(lines: Path = FOLDER) -> Values:
    """Return base rate, bars and epoch of each digit."""
    pages = group_by(ok_lines(PAGES / "mnist"), "task").values()
    rates = {digit(own[0]): own[0]["base_rate"] for own in pages}
    default = default_on_mnist()
    published = {label: published_digits(label) for label in ("vae", "egbad-sigma")}
    own = group_by([line | {"digit": digit(line)} for line in mnist_lines(lines)], "digit")
    vae = group_by([line | {"digit": digit(line)} for line in baseline_lines("mnist", lines)], "digit", "protocol")
    found = {}
    for d in DIGITS:
        last = last_epoch(finite(own.get(d, [])))
        scores = {
            score: [line["average_precision"] for line in runs] for score, runs in group_by(last, "score").items()
        }
        bars = {label: published_bar(figures[d], rates[d]) for label, figures in published.items() if d in figures}
        bars |= {score: bar(scores[score]) for score in ("fm", "sigma") if score in scores}
        if runs := vae.get((d, PROTOCOL)):
            bars["vae-paper"] = bar([line["average_precision"] for line in runs])
        bars["default"] = bar(default[d])
        found[str(d)] = {"base_rate": round(rates[d], 4), "bars": bars, "epoch": last[0]["epoch"] if last else None}
    return found


def mnist_lines(lines: Path) -> list[Line]:
    """Return the lines of the protocol that the bars show."""
    return by_protocol(member_lines("mnist", lines)).get(PROTOCOL, [])


def curve_values(lines: Path = FOLDER) -> Values:
    """Return epochs and each member's metric by feature matching, for each protocol of KDD99 and each digit of MNIST."""
    panels = {
        f"KDD99, {protocol}: F1": (own, "f1", None)
        for protocol, own in by_protocol(member_lines("kdd99", lines)).items()
    }
    for task, own in sorted(group_by(mnist_lines(lines), "task").items()):
        title = f"MNIST, {task.split()[1]} left out: average precision"
        panels[title] = (own, "average_precision", round(own[0]["base_rate"], 4))
    return {
        title: {"base_rate": rate, "members": members(own, metric)} for title, (own, metric, rate) in panels.items()
    }


def members(lines: list[Line], metric: str) -> list[list[tuple[int, float]]]:
    """Return the metric by feature matching over epochs, a curve for each member."""
    own = group_by([line for line in finite(lines) if line["score"] == "fm"], "member")
    return [sorted((line["epoch"], round(line[metric], 4)) for line in curve) for curve in own.values()]


# -- pictures ----------------------------------------------------------------------------------------------------------


def draw_digits(found: Values) -> Any:
    """Return a figure with the bars of `digit_values`."""
    from matplotlib import pyplot
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    figure, axis = pyplot.subplots(figsize=(10, 4), layout="constrained")
    width = 0.84 / len(BARS)
    for i, own in enumerate(found.values()):
        axis.hlines(own["base_rate"], i - 0.45, i + 0.45, color=INK, linestyle=(0, (3, 2)), linewidth=1.1, zorder=3)
        names = [name for name in BARS if name in own["bars"]]
        for j, name in enumerate(names):
            entry, colour = own["bars"][name], BARS[name][1]
            x = i + (j - (len(names) - 1) / 2) * width
            hatch = "////" if entry.get("unverified") else None
            axis.bar(x, entry["value"], width * 0.92, color=colour, hatch=hatch, edgecolor="white", linewidth=0)
            top = entry["value"] + entry["spread"]
            if entry["spread"]:
                axis.vlines(x, entry["value"] - entry["spread"], top, color=INK, linewidth=0.9)
            axis.text(x, top + 0.01, entry.get("mark", ""), ha="center", color="#c0392b", weight="bold")
    epochs = [own["epoch"] for own in found.values()]
    ticks = [d if epoch is None else f"{d}\nepoch {epoch}" for d, epoch in zip(found, epochs, strict=True)]
    axis.set_xticks(range(len(found)), ticks)
    axis.set(xlabel="digit left out of training: the anomaly", ylabel="average precision (AUPRC)", ylim=(0, 1.0))
    axis.spines[["top", "right"]].set_visible(False)
    shown = {name for own in found.values() for name in own["bars"]}
    handles: list[Any] = [Patch(color=colour, label=label) for name, (label, colour) in BARS.items() if name in shown]
    handles += [
        Patch(facecolor="#d0d0d0", edgecolor="white", hatch="////", label="unverified"),
        Line2D([], [], color=INK, linestyle=(0, (3, 2)), label="base rate: chance"),
        Line2D([], [], color="#c0392b", marker="$!$", linestyle="", label="below chance here"),
        Line2D([], [], color="#c0392b", marker="x", linestyle="", label="impossible at this base rate"),
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=5, frameon=False, fontsize=9)
    return figure


def draw_curves(found: Values) -> Any:
    """Return a figure with a panel for each entry of `curve_values`: members, their median and the base rate."""
    from matplotlib import pyplot

    columns = min(3, len(found))
    rows = -(-len(found) // columns)
    size = (3.4 * columns, 2.7 * rows)
    figure, axes = pyplot.subplots(rows, columns, figsize=size, layout="constrained", squeeze=False)
    for axis in axes.ravel()[len(found) :]:
        axis.set_visible(False)
    for axis, (title, own) in zip(axes.ravel(), found.items(), strict=False):
        by_epoch: dict[int, list[float]] = {}
        for curve in own["members"]:
            axis.plot(*zip(*curve, strict=True), color="#56b4e9", linewidth=0.8, marker=".", markersize=3)
            for epoch, value in curve:
                by_epoch.setdefault(epoch, []).append(value)
        middle = [median(values) for values in by_epoch.values()]
        axis.plot([*by_epoch], middle, color="#0072b2", linewidth=2, marker="o", markersize=3)
        if own["base_rate"] is not None:
            axis.axhline(own["base_rate"], color=INK, linestyle=(0, (3, 2)), linewidth=1)
        axis.set_title(title, fontsize=9, loc="left")
        axis.set(xlabel="epoch", xlim=(0, max(by_epoch) + 1), ylim=(0, 1))
        axis.xaxis.get_major_locator().set_params(integer=True)
        axis.spines[["top", "right"]].set_visible(False)
    return figure


PICTURES = {"paper-mnist": (digit_values, draw_digits), "paper-epochs": (curve_values, draw_curves)}


def digest(values: Values) -> str:
    """Return a digest of the values of a picture."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


def drawn(path: Path) -> str | None:
    """Return the digest in a picture, None without one."""
    if not path.exists():
        return None
    with Image.open(path) as picture:
        return picture.info.get(DIGEST)


def update(folder: Path = IMAGES, lines: Path = FOLDER, *, write: bool = True) -> list[Path]:
    """Draw the pictures whose values have changed.

    Parameters
    ----------
    folder : Path
        Folder of the pictures.
    lines : Path
        Folder of the lines of paper.py.
    write : bool, default=True
        If False, draw nothing.

    Returns
    -------
    list of Path
        The pictures with other values than the lines have.
    """
    stale = []
    for name, (measure, draw) in PICTURES.items():
        path, values = folder / f"{name}.png", measure(lines)
        if drawn(path) == digest(values):
            continue
        stale.append(path)
        if write:
            draw(values).savefig(path, dpi=100, metadata={DIGEST: digest(values)})
    return stale


def main() -> int:
    """Draw or check the pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="print the pictures that are out of date")
    parser.add_argument("--folder", type=Path, default=IMAGES)
    options = parser.parse_args()
    stale = update(options.folder, write=not options.check)
    print(*stale, sep="\n", end="\n" if stale else "")
    return int(options.check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
