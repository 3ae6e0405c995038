"""JSON lines of measurements: reading, appending and grouping. Imports no package that is not in the standard library."""

import json
from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import Any

Line = dict[str, Any]
RESULTS = Path(__file__).parent / "results"
PAGES = Path(__file__).parents[1] / "docs" / "results"


def read_lines(path: Path) -> list[Line]:
    """Read a file of JSON lines; an absent file has none."""
    if not path.exists():
        return []
    return [json.loads(text) for text in path.read_text(encoding="utf-8").splitlines()]


def append_line(path: Path, line: Line) -> None:
    """Print a record and append it to a file of JSON lines."""
    text = json.dumps(line)
    print(text, flush=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(text + "\n")


@cache
def ok_lines(folder: Path) -> list[Line]:
    """Read the run log in a folder, without the runs that failed."""
    return [line for line in read_lines(folder / "runs.jsonl") if line["status"] == "ok"]


def group_by(lines: list[Line], *keys: str) -> dict[Any, list[Line]]:
    """Group lines by the value of one key, or by a tuple of the values of several."""
    groups: dict[Any, list[Line]] = defaultdict(list)
    for line in lines:
        values = tuple(line[key] for key in keys)
        groups[values if len(keys) > 1 else values[0]].append(line)
    return groups


def flat_metrics(measured: Line) -> Line:
    """Return the metrics that the tables need from the metrics of a run of `egbad benchmark`."""
    return {
        "average_precision": measured["average_precision"],
        "auroc": measured["auroc"],
        "f1": measured["top"]["f1"],
        "false_alarms": {alpha: found["false_alarms"] for alpha, found in measured["thresholds"].items()},
    }
