"""Tables of the pages of docs/methods: the recorded figures of one method beside nearest neighbours."""

from functools import partial
from statistics import mean

from lines import PAGES, RESULTS, Line, group_by, ok_lines, read_lines
from table_format import markdown

NAMES = {
    "adbench": "ADBench",
    "arrhythmia": "Arrhythmia",
    "kdd99": "KDD99",
    "digits": "Digits, one left out",
    "mnist": "MNIST, one digit left out",
    "mnist_10k": "MNIST, 10,000 images",
    "cifar10": "CIFAR-10, one class normal",
    "magnetic_tile": "Magnetic tiles",
}
# Methods with labels of their own in the pages of results.
VARIANTS = {
    "blend": ("blend", "blend-nearest"),
    "dagmm": ("dagmm", "dagmm-nvi"),
    "dsebm": ("dsebm", "dsebm-r"),
    "vae": ("vae", "vae-elbo"),
}
METHODS = (
    *("adgan", "alad", "anogan", "bigan", "blend", "contrastive", "dagmm", "dsebm", "f_anogan", "ganomaly"),
    *("isolation_forest", "knn", "lof", "one_class_svm", "pca", "vae"),
)
BASELINE = "knn"

Runs = dict[tuple[str, int], Line]
_MEASUREMENTS = "../../benchmarks/RESULTS.md"


def method(name: str) -> str:
    """Return the figures of a method on every page of results, and on MNIST's 5 against 7."""
    labels, rows = VARIANTS.get(name, (name,)), []
    for page, title in NAMES.items():
        by_label = {label: _by_task(lines) for label, lines in group_by(ok_lines(PAGES / page), "label").items()}
        link = f"[{title}](../results/{page}/results.md)"
        rows += [(link, label, *_cells(label, by_label)) for label in labels if label in by_label]
    lines = {line["method"]: _flat(line) for line in read_lines(RESULTS / "detectors_five_seven.jsonl")}
    if name in lines:
        found = {label: {("", 0): line} for label, line in lines.items()}
        rows.append((f"[MNIST, 5 against 7]({_MEASUREMENTS}#all-detectors)", name, *_cells(name, found)))
    head = ("data", "detector", "tasks x seeds", "base rate", "average precision / AUROC")
    head = (*head, f"`{BASELINE}`", "place", "rows a second")
    shown = [i for i in range(len(head)) if (i != 1 or len(labels) > 1) and (i != 5 or name != BASELINE)]
    return markdown([head[i] for i in shown], [[row[i] for i in shown] for row in rows])


def small_methods() -> str:
    """Return the figures of methods without networks on ADBench, by falling average precision."""
    by_method = {
        name: _by_task([_flat(line) for line in lines])
        for name, lines in group_by(read_lines(RESULTS / "small_methods.jsonl"), "detector").items()
    }
    order = sorted(by_method, key=lambda name: -_mean(by_method[name], "average_precision"))
    rows = []
    for name in order:
        runs = by_method[name]
        figures = f"{_mean(runs, 'average_precision'):.3f} / {_mean(runs, 'auroc'):.3f}"
        seconds = mean(line["fit_seconds"] for line in runs.values())
        rows.append((name, _size(runs), figures, f"{seconds:.1f}", _rate(runs)))
    return markdown(("detector", "tables x seeds", "average precision / AUROC", "fit, s", "rows a second"), rows)


def tables_by_detector() -> str:
    """Return the figures of all detectors that have runs on every table of ADBench, by falling average precision."""
    runs = {label: _by_task(lines) for label, lines in group_by(ok_lines(PAGES / "adbench"), "label").items()}
    complete = [label for label in runs if runs[label].keys() == runs[BASELINE].keys()]
    rows = [
        (
            label,
            f"{_mean(runs[label], 'average_precision'):.3f} / {_mean(runs[label], 'auroc'):.3f}",
            f"{mean(line['seconds']['fit'] for line in runs[label].values()):.1f}",
            _rate(runs[label]),
        )
        for label in sorted(complete, key=lambda label: -_mean(runs[label], "average_precision"))
    ]
    return markdown(("detector", "average precision / AUROC", "fit, s", "rows a second"), rows)


def _by_task(lines: list[Line]) -> Runs:
    return {(line["task"], line["seed"]): line for line in lines}


def _flat(line: Line) -> Line:
    """Return a line of another script in the form of those of `egbad benchmark`."""
    metrics = {name: line[name] for name in ("average_precision", "auroc")}
    return line | {"metrics": metrics, "scored_per_second": line["rows_per_second"]}


def _mean(runs: Runs, metric: str) -> float:
    """Return a metric, averaged over the seeds of each task and then over the tasks."""
    by_task = group_by([{"task": task, "line": line} for (task, _), line in runs.items()], "task")
    return mean(mean(item["line"]["metrics"][metric] for item in items) for items in by_task.values())


def _size(runs: Runs) -> str:
    return f"{len({task for task, _ in runs})} x {len({seed for _, seed in runs})}"


def _rate(runs: Runs) -> str:
    return f"{mean(line['scored_per_second'] for line in runs.values()):,.0f}"


def _cells(label: str, by_label: dict[str, Runs]) -> tuple[str, ...]:
    """Return tasks and seeds, base rate, figures, those of the baseline on the same runs, the place, and the rate."""
    own = by_label[label]
    complete = {
        other: {key: runs[key] for key in own}
        for other, runs in by_label.items()
        if own.keys() <= runs.keys() and "untrained" not in other
    }
    figures = {
        other: f"{_mean(runs, 'average_precision'):.3f} / {_mean(runs, 'auroc'):.3f}"
        for other, runs in complete.items()
    }
    better = sum(_mean(runs, "average_precision") > _mean(own, "average_precision") for runs in complete.values())
    rate = mean(line["base_rate"] for line in own.values())
    place = f"{better + 1} of {len(complete)}"
    return _size(own), f"{rate:.2f}", figures[label], figures.get(BASELINE, ""), place, _rate(own)


TABLES = {f"method {name}": partial(method, name) for name in METHODS} | {
    "small methods": small_methods,
    "tables by detector": tables_by_detector,
}
