"""Print the tables of RESULTS.md from the JSON lines that the other scripts and `egbad benchmark` wrote.

python benchmarks/tables.py
"""

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import mean, stdev

from common import Line, flat_metrics, read_lines

RESULTS = Path(__file__).parent / "results"
PAGES = Path(__file__).parents[1] / "docs" / "results"

# Recorded runs keep the labels of the version that wrote them.
LABELS = {
    "as it is": "default",
    "without the game": "no adversarial loss",
    "without cycle consistency": "no cycle-consistency loss",
    "without noise on what D sees": "no noise on D's input",
    "without averaged weights": "no weight averaging",
    "with a falling learning rate": "learning-rate decay",
    "the last weights kept": "last weights, no early stopping",
    "the residual alone": "residual term only",
    "what D or E notices alone": "feature term only",
    "the paper's distance": "norm distance (paper)",
    "L_D by D's features": "L_D by feature matching (fm)",
    "L_D by cross-entropy": "L_D by cross-entropy (sigma)",
    "repeated rows count": "duplicate rows kept",
    "min-max columns": "min-max scaling",
    "no column on a log scale": "no log scaling",
    "standardised columns alone": "standardised columns only",
    "min-max columns alone": "min-max columns only",
    "and EGBAD": "plus EGBAD",
    "and what was learned by contrast": "plus Contrastive",
    "without distortions": "no image transformations",
    "64 remembered": "memory of 64",
    "4,096 remembered": "memory of 4,096",
    "twice as long": "twice the steps",
    "autoencoder (EGBAD without the game)": "autoencoder (EGBAD, no adversarial loss)",
    "EGBAD, no column on a log scale": "EGBAD, no log scaling",
}

# Published F1 on KDD99, with its spread where one was given; docs/results/kdd99 says where each was found.
PUBLISHED_F1 = {
    "one_class_svm": "0.795",
    "dsebm": "0.740",
    "dsebm, reconstruction": "0.733",
    "dagmm": "0.937",
    "dagmm, nvi": "0.937",
    "anogan": "0.887 ± 0.034",
    "anogan, sigma": "0.785 ± 0.118",
    "egbad": "0.906 ± 0.069",
    "egbad, sigma": "0.937 ± 0.044",
    "isolation_forest": "0.929",
    "alad": "0.950 ± 0.002",
}
# Name of a variant in `egbad benchmark` -> name in detectors.py.
VARIANT_NAMES = {
    "anogan-sigma": "anogan, sigma",
    "dagmm-nvi": "dagmm, nvi",
    "dsebm-r": "dsebm, reconstruction",
    "egbad-sigma": "egbad, sigma",
}
DATA_LABELS = {
    "adbench/": "ADBench, 21 tables",
    "kdd": "KDD99 (F1)",
    "digits": "digits 8 x 8",
    "mnist": "MNIST, 10,000 normals",
    "magnetic_tile": "magnetic tiles (AUROC)",
}
METRICS = {"kdd": "f1", "magnetic_tile": "auroc"}  # average precision for all other data
DETECTOR_METRICS = ("auroc", "average_precision", "false_alarms")


def print_head(*columns: str) -> None:
    """Print the head of a Markdown table."""
    print(f"| {' | '.join(columns)} |")
    print("|" + " --- |" * len(columns))


def print_row(*cells: object) -> None:
    """Print a row of a Markdown table."""
    print(f"| {' | '.join(map(str, cells))} |")


def spread(values: Sequence[float], digits: int = 4) -> str:
    """Format mean and sample standard deviation."""
    return f"{mean(values):.{digits}f}" + (f" ± {stdev(values):.{digits}f}" if len(values) > 1 else "")


def ok_lines(path: Path) -> list[Line]:
    """Read the records of runs that succeeded."""
    return [line for line in read_lines(path) if line["status"] == "ok"]


def by_method(lines: list[Line], key: str = "method") -> dict[str, list[Line]]:
    """Group records by method."""
    runs: dict[str, list[Line]] = defaultdict(list)
    for line in lines:
        runs[line[key]].append(line)
    return runs


def kdd99(name: str) -> None:
    """Print the methods of kdd99.py."""
    print_head("method", "seeds", "precision", "recall", "F1", "AUROC", "AUROC without repeats", "average precision",
               "ties", "fit, s")  # fmt: skip
    for method, runs in by_method(read_lines(RESULTS / name)).items():
        keys = ("precision", "recall", "f1", "auroc", "auroc_without_repeats", "average_precision")
        cells = [spread([line[key] for line in runs]) for key in keys]
        ties, seconds = max(line["ties"] for line in runs), mean(line["fit_seconds"] for line in runs)
        print_row(LABELS.get(method, method), len(runs), *cells, ties, f"{seconds:.0f}")


def mnist() -> None:
    """Print average precision and AUROC by digit."""
    found = {(line["digit"], line["method"]): line for line in read_lines(RESULTS / "mnist.jsonl")}
    digits = sorted({digit for digit, _ in found})
    methods = list(dict.fromkeys(method for _, method in found))
    print_head("digit left out", "base rate", *methods)
    for digit in digits:
        lines = [found[digit, method] for method in methods]
        cells = [f"{line['average_precision']:.3f} / {line['auroc']:.3f}" for line in lines]
        print_row(digit, f"{lines[0]['base_rate']:.3f}", *cells)
    means = [
        " / ".join(f"{mean(found[d, method][name] for d in digits):.3f}" for name in ("average_precision", "auroc"))
        for method in methods
    ]
    print_row("mean", "", *means)


def paper() -> None:
    """Print the evaluations of the paper's recipe."""
    print_head(
        "step", "seconds of training", "F1", "F1 of the residual alone", "F1 of the features alone", "AUROC", "ties"
    )
    for line in read_lines(RESULTS / "kdd99_paper.jsonl"):
        if line["step"] % 20_000 == 0:
            cells = [f"{line[name]:.3f}" for name in ("f1", "f1_residual", "f1_features", "auroc")]
            print_row(f"{line['step']:,}", f"{line['seconds']:.0f}", *cells, f"{line['ties']:,}")


def benchmark_page(folder: str) -> None:
    """Print every detector of a run of `egbad benchmark`, best first."""
    print_head(
        "method", "runs", "F1", "AUROC", "average precision", "false alarms", "fit, s", "per second", "published F1"
    )
    runs = by_method(ok_lines(PAGES / folder / "runs.jsonl"), "label")
    for method in sorted(runs, key=lambda method: -mean(line["metrics"]["auroc"] for line in runs[method])):
        lines = runs[method]
        measured = [flat_metrics(line["metrics"]) for line in lines]
        print_row(
            method,
            len(lines),
            *(spread([m[name] for m in measured], 3) for name in ("f1", "auroc", "average_precision")),
            spread([m["false_alarms"]["0.01"] for m in measured], 3),
            f"{mean(line['seconds']['fit'] for line in lines):.1f}",
            f"{mean(line['scored_per_second'] for line in lines):,.0f}",
            PUBLISHED_F1.get(VARIANT_NAMES.get(method, method), ""),
        )


def detectors(task: str) -> None:
    """Print every detector of detectors.py on one task, best first."""
    with_f1 = task in ("kdd99", "as_published")
    columns = ["AUROC", "average precision", "false alarms", "fit, s", "per second"]
    print_head("method", "seeds", *(["F1"] if with_f1 else []), *columns, *(["published F1"] if with_f1 else []))
    runs = by_method(read_lines(RESULTS / f"detectors_{task}.jsonl"))
    for method in sorted(runs, key=lambda method: -mean(line["auroc"] for line in runs[method])):
        lines = runs[method]
        cells = [
            spread([line[name] for line in lines], 3) for name in (*(["f1"] if with_f1 else []), *DETECTOR_METRICS)
        ]
        cells.append(f"{mean(line['fit_seconds'] for line in lines):.1f}")
        cells.append(f"{mean(line['rows_per_second'] for line in lines):,.0f}")
        if with_f1:
            cells.append(PUBLISHED_F1.get(re.sub(r", (min-max|unscaled|paper's recipe)$", "", method), ""))
        print_row(method, len(lines), *cells)


def ablation() -> None:
    """Print the default on each data set, average precision or F1 on KDD99, and the effect of each change."""
    runs: dict[tuple[str, str], dict[str, dict[int, float]]] = defaultdict(dict)
    for line in ok_lines(RESULTS / "ablation" / "runs.jsonl"):
        measure = "f1" if line["task"] == "kdd99" else "average_precision"
        variant = line["label"].partition(": ")[2]
        by_task = runs[line["detector"], LABELS.get(variant, variant)]
        by_task.setdefault(line["task"], {})[line["seed"]] = line[measure]
    tasks = list(dict.fromkeys(task for found in runs.values() for task in found))
    for detector in dict.fromkeys(detector for detector, _ in runs):
        print_head(detector, *tasks)
        default = runs[detector, "default"]
        for (of, variant), found in sorted(runs.items(), key=lambda item: item[0][1] != "default"):
            if of == detector:
                cells = [_change(found.get(task), default.get(task), variant == "default") for task in tasks]
                print_row(variant, *cells)
        print()


def _change(found: dict[int, float] | None, default: dict[int, float] | None, is_default: bool) -> str:
    """Format the mean of the default, or mean and spread of the differences to it, seed by seed."""
    if not found:
        return ""
    if is_default or not default:
        return spread([*found.values()], 3)
    differences = [found[seed] - default[seed] for seed in found if seed in default]
    sign = "+" if differences and mean(differences) >= 0 else ""
    return f"{sign}{spread(differences, 3)}" if differences else ""


def calibration() -> None:
    """Print false-alarm rates by alpha, and errors by spread."""
    runs: dict[tuple[str, str], list[Line]] = defaultdict(list)
    for line in read_lines(RESULTS / "calibration.jsonl"):
        runs[line["task"], line["detector"]].append(line)
    print_head("data", "detector", "calibration rows", "alpha 0.001", "0.01", "0.05", "average precision")
    for (task, detector), lines in runs.items():
        cells = []
        for i in range(3):
            alarms = [line["false_alarms"][i] for line in lines]
            inside = sum(a["low"] <= a["rate"] <= a["high"] for a in alarms)
            cells.append(f"{mean(a['rate'] for a in alarms):.4f}, {inside} of {len(alarms)}")
        precision = spread([line["average_precision"] for line in lines], 3)
        print_row(task, detector, f"{lines[0]['calibration_rows']:,}", *cells, precision)
    print()
    print_head("data", "detector", "errors in fifths of the test rows, by spread", "AUROC of the spread for errors")
    for (task, detector), lines in runs.items():
        fifths = ", ".join(f"{mean(line['errors_by_spread'][i] for line in lines):.3f}" for i in range(5))
        auroc = [line["spread_tells_errors"] for line in lines if line["spread_tells_errors"] is not None]
        print_row(task, detector, fifths, spread(auroc, 3) if auroc else "")


def contamination() -> None:
    """Print mean average precision over data sets, by contamination."""
    runs: dict[tuple[str, float, bool], dict[str, float]] = defaultdict(dict)
    for line in ok_lines(RESULTS / "contamination" / "runs.jsonl"):
        fraction = float(re.search(r", ([0-9.e-]+) mixed in", line["key"])[1])
        untrimmed = line["label"].endswith("trim 0")
        runs[line["detector"], fraction, untrimmed][line["task"]] = line["average_precision"]
    print_head("detector", "contamination", "data sets", "clean", "no trimming", "trimmed", "loss left")
    for (detector, fraction, untrimmed), found in runs.items():
        trimmed, clean = runs.get((detector, fraction, False)), runs.get((detector, 0.0, True))
        if not untrimmed or fraction == 0 or not trimmed or not clean:
            continue
        tasks = [task for task in found if task in trimmed and task in clean]
        before, dirty, after = (mean(values[task] for task in tasks) for values in (clean, found, trimmed))
        left = (before - after) / (before - dirty)
        print_row(detector, f"{fraction:g}", len(tasks), *(f"{v:.3f}" for v in (before, dirty, after)), f"{left:.2f}")


def training_length() -> None:
    """Print means for the three limits on steps; a run that stopped before the limit is the same for all three."""
    runs: dict[tuple[str, str], dict] = defaultdict(lambda: defaultdict(dict))
    steps: dict[tuple[str, str], list[int]] = defaultdict(list)
    for line in ok_lines(RESULTS / "training_length" / "runs.jsonl"):
        prefix = next(prefix for prefix in DATA_LABELS if line["dataset"].startswith(prefix))
        key, multiple = (line["detector"], DATA_LABELS[prefix]), int(line["label"].split()[0])
        runs[key][line["task"], line["seed"]][multiple] = line[METRICS.get(prefix, "average_precision")]
        steps[key].append(line["training_steps"])
    print_head(
        "detector", "data", "runs", "limit", "twice the limit", "five times the limit", "largest change", "steps taken"
    )
    for (detector, data), found in runs.items():
        for multiples in sorted({tuple(sorted(values)) for values in found.values()}):
            own = [values for values in found.values() if tuple(sorted(values)) == multiples]
            stopped = multiples == (5,)
            cells = [
                f"{mean(values[5 if stopped else n] for values in own):.4f}" if stopped or n in multiples else ""
                for n in (1, 2, 5)
            ]
            change = max(max(values.values()) - min(values.values()) for values in own)
            taken = f"{min(steps[detector, data]):,} to {max(steps[detector, data]):,}"
            print_row(detector, data, len(own), *cells, f"{change:.4f}", taken)


def members() -> None:
    """Print five members and the one of the pages on the same splits, as means over the tasks."""
    print_head(
        "data",
        "runs",
        "members",
        "average precision",
        "AUROC",
        "F1",
        "false alarms at 0.01, 0.05",
        "fit, s",
        "score, s",
    )
    five = {(line["task"], line["seed"]): line for line in ok_lines(RESULTS / "members" / "runs.jsonl")}
    for page in ("kdd99", "adbench", "digits", "mnist_10k", "magnetic_tile"):
        one = {
            (line["task"], line["seed"]): flat_metrics(line["metrics"]) | {"seconds": line["seconds"]}
            for line in ok_lines(PAGES / page / "runs.jsonl")
            if line["label"] == "egbad" and (line["task"], line["seed"]) in five
        }
        if not one:
            continue
        for number, lines in ((1, [*one.values()]), (5, [five[key] for key in one])):
            values = [f"{mean(line[name] for line in lines):.3f}" for name in ("average_precision", "auroc", "f1")]
            alarms = [f"{mean(line['false_alarms'][alpha] for line in lines):.4f}" for alpha in ("0.01", "0.05")]
            seconds = [f"{mean(line['seconds'][name] for line in lines):.1f}" for name in ("fit", "score")]
            print_row(page, len(lines), number, *values, ", ".join(alarms), *seconds)


TABLES: tuple[Callable[[], None], ...] = (
    partial(kdd99, "kdd99.jsonl"),
    partial(kdd99, "kdd99_two_splits.jsonl"),
    partial(benchmark_page, "kdd99"),
    *(partial(detectors, task) for task in ("as_published", "digits", "five_seven")),
    mnist,
    paper,
    ablation,
    calibration,
    contamination,
    training_length,
    members,
)


if __name__ == "__main__":
    for table in TABLES:
        table()
        print()
