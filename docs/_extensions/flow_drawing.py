"""How data pass the packages: from a file to a model, and from a new row to a flag."""

from collections.abc import Sequence

from drawing import Node, Panel


def _package(x: float, y: float, name: str, task: str) -> Node:
    return Node(x, y, f"{name}\n{task}", "step", w=3.4)


def _fit() -> Panel:
    nodes = {
        "file": Node(1.2, 0.5, "rows or\nimages"),
        "data": _package(4.6, 0.5, "data", "read and check"),
        "split": _package(8.8, 0.5, "detectors", "hold out a tenth"),
        "encode": _package(13, 0.5, "preprocessing", "scale and encode"),
        "train": _package(13, 1.7, "training", "networks, health"),
        "threshold": _package(8.8, 1.7, "scoring", "threshold, p-values"),
        "model": Node(4.6, 1.7, "model file", "score"),
    }
    arrows = ["file data", "data split", "split encode", "encode train", "split threshold", "train threshold"]
    return Panel("egbad fit", nodes, [*arrows, "threshold model"])


def _score() -> Panel:
    nodes = {
        "file": Node(1.2, 0.5, "new rows"),
        "data": _package(4.6, 0.5, "data", "read and check"),
        "encode": _package(8.8, 0.5, "preprocessing", "scale and encode"),
        "score": _package(13, 0.5, "detectors", "terms of the score"),
        "calibrate": _package(13, 1.7, "scoring", "p-value, flag"),
        "explain": _package(8.8, 1.7, "explain", "share per column"),
        "result": Node(4.6, 1.7, "score, p-value,\nflag, reasons", "score"),
    }
    arrows = ["file data", "data encode", "encode score", "score calibrate", "calibrate explain", "explain result"]
    return Panel("egbad score", nodes, arrows)


FLOW: Sequence[Panel] = [_fit(), _score()]
