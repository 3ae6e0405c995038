"""Print the statistics of a benchmark over tables from the lines of its folder.

    python benchmarks/table_statistics.py results/oddbench
    python benchmarks/table_statistics.py results/adbench --protocol released --references knn

Each detector is compared with the better reference: mean difference, bootstrap interval over tables, Wilcoxon's test with Holm's
correction, wins, ties and losses, and the same by kind of table. A folder with runs under the protocols clean and released also
gets a table of what copies of training rows among the test rows are worth.
"""

import argparse
from pathlib import Path
from statistics import mean

from lines import Line, group_by, ok_lines
from table_format import markdown

from egbad.benchmark.comparison_text import format_p_value
from egbad.benchmark.markdown import comparison_sections
from egbad.benchmark.statistics import PairedDifference, paired_difference
from egbad.benchmark.suites import NEAREST_NEIGHBOURS
from egbad.benchmark.summary import summarize

LEAK = 0.1  # least share of test rows that equal a training row in a table that leaks
METRICS = ("auroc", "average_precision")


def protocol_effect(lines: list[Line]) -> str:
    """Return for each detector the metrics under both protocols, on the tables that leak and on the others."""
    by_protocol = group_by(lines, "protocol")
    clean, released = (group_by(by_protocol[name], "label", "task") for name in ("clean", "released"))
    both = clean.keys() & released.keys()
    leaking = {
        task for _, task in both if any(line["repeats"] >= LEAK * line["test_rows"] for line in _of(released, task))
    }
    rows = []
    for label in dict.fromkeys(line["label"] for line in lines):
        for name, leaks in (("leak", True), ("others", False)):
            tasks = sorted(task for own, task in both if own == label and (task in leaking) == leaks)
            if tasks:
                rows.append((label, name, len(tasks), *_effects(label, tasks, clean, released)))
    return markdown(("detector", "tables", "number", "AUROC", "difference", "average precision", "difference"), rows)


def _of(groups: dict, task: str) -> list[Line]:
    """Return the lines of a task of all detectors."""
    return [line for (_, own), lines in groups.items() if own == task for line in lines]


def _effects(label: str, tasks: list[str], clean: dict, released: dict) -> list[str]:
    """Return the cells of both metrics: means under both protocols, and their difference."""
    cells = []
    for metric in METRICS:
        values = [
            [mean(line["metrics"][metric] for line in groups[label, task]) for task in tasks]
            for groups in (clean, released)
        ]
        difference = paired_difference([after - before for before, after in zip(*values, strict=True)])
        cells += [" -> ".join(f"{mean(own):.4f}" for own in values), format_difference(difference)]
    return cells


def format_difference(difference: PairedDifference) -> str:
    """Format a mean difference with its interval, p-value, wins, ties and losses."""
    interval = f"[{difference.low:+.4f}, {difference.high:+.4f}]"
    counts = f"{difference.wins}/{difference.ties}/{difference.losses}"
    return f"{difference.mean:+.4f} {interval} p {format_p_value(difference.p_value)}, {counts}"


def main() -> None:
    """Print the statistics."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder of `egbad benchmark`, with runs.jsonl")
    parser.add_argument("--protocol", default="clean")
    parser.add_argument("--references", default=",".join(NEAREST_NEIGHBOURS), help="baselines, separated by commas")
    options = parser.parse_args()
    lines = ok_lines(options.folder)
    own = [line for line in lines if line["protocol"] == options.protocol]
    summary = summarize(own, options.references.split(","))
    if not summary.comparisons:
        raise SystemExit(f"'{options.folder}' must hold runs of {options.references} on at least two tables.")
    print("\n".join(comparison_sections(summary)))
    if {line["protocol"] for line in lines} >= {"clean", "released"}:
        print(f"## Protocol released against clean\n\n{protocol_effect(lines)}")


if __name__ == "__main__":
    main()
