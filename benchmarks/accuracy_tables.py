"""Tables of accuracy: KDD99, MNIST, digits, the pages of `egbad benchmark`, and photographs."""

import re
from collections.abc import Sequence
from statistics import mean

from lines import PAGES, RESULTS, flat_metrics, group_by, ok_lines, read_lines
from table_format import markdown, published, spread

from egbad.benchmark.published import PublishedFigure, published_figures

PUBLISHED = {figure.label: figure for figure in published_figures("kdd99")}
# Name of a variant in detectors.py -> its name in `egbad benchmark`.
VARIANTS = {
    "anogan, sigma": "anogan-sigma",
    "dagmm, nvi": "dagmm-nvi",
    "dsebm, reconstruction": "dsebm-r",
    "egbad, sigma": "egbad-sigma",
}
COLUMNS_OF_OTHERS = re.compile(r", (min-max|unscaled|paper's recipe)$")
PARTS = {
    "blend": "Blend",
    "nearest": "nearest, standardised columns",
    "nearest-minmax": "nearest, min-max columns",
    "contrastive": "Contrastive",
    "nearest-correlation": "nearest image by correlation",
    "nearest-colour": "nearest image, raw pixels",
}
SUMMARY = ("blend", "blend-nearest", "egbad", "egbad, untrained", "knn", "isolation_forest", "pca")


def kdd99(name: str) -> str:
    """Return the table of the methods of kdd99.py."""
    keys = ("precision", "recall", "f1", "auroc", "auroc_without_repeats", "average_precision")
    rows = []
    for method, runs in group_by(read_lines(RESULTS / name), "method").items():
        cells = [spread([line[key] for line in runs], 4) for key in keys]
        seconds = mean(line["fit_seconds"] for line in runs)
        rows.append((method, len(runs), *cells, max(line["ties"] for line in runs), f"{seconds:.0f}"))
    head = ("method", "runs", "precision", "recall", "F1", "AUROC", "AUROC without repeats", "average precision")
    return markdown((*head, "ties, at most", "fit, s"), rows)


def kdd99_page() -> str:
    """Return the table of every detector of the page on KDD99, by falling AUROC."""
    runs = group_by(ok_lines(PAGES / "kdd99"), "label")
    rows = []
    for method in sorted(runs, key=lambda method: -mean(line["metrics"]["auroc"] for line in runs[method])):
        lines = runs[method]
        measured = [flat_metrics(line["metrics"]) for line in lines]
        rows.append(
            (
                method,
                len(lines),
                *(spread([m[name] for m in measured]) for name in ("f1", "auroc", "average_precision")),
                spread([m["false_alarms"]["0.01"] for m in measured]),
                f"{mean(line['seconds']['fit'] for line in lines):.1f}",
                f"{mean(line['scored_per_second'] for line in lines):,.0f}",
                published(PUBLISHED.get(method)),
            )
        )
    head = ("method", "runs", "F1", "AUROC", "average precision", "false alarms", "fit, s", "rows per second")
    return markdown((*head, "published F1"), rows)


def published_for(variant: str) -> PublishedFigure | None:
    """Return the published figure of a variant of detectors.py."""
    name = COLUMNS_OF_OTHERS.sub("", variant)
    return PUBLISHED.get(VARIANTS.get(name, name))


def detectors(task: str) -> str:
    """Return the table of the runs of detectors.py on one task, by falling AUROC; with F1 for KDD99."""
    runs = group_by(read_lines(RESULTS / f"detectors_{task}.jsonl"), "method")
    with_f1 = task in ("kdd99", "as_published")
    keys = (*(["f1"] if with_f1 else []), "auroc", "average_precision", "false_alarms")
    rows = []
    for method in sorted(runs, key=lambda method: -mean(line["auroc"] for line in runs[method])):
        lines = runs[method]
        seconds, rate = (mean(line[name] for line in lines) for name in ("fit_seconds", "rows_per_second"))
        cells = [*(spread([line[key] for line in lines]) for key in keys), f"{seconds:.1f}", f"{rate:,.0f}"]
        rows.append((method, len(lines), *cells, *([published(published_for(method))] if with_f1 else [])))
    head = ["AUROC", "average precision", "false alarms", "fit, s", "per second"]
    f1, paper = (["F1"], ["published F1"]) if with_f1 else ([], [])
    return markdown(["method", "runs", *f1, *head, *paper], rows)


def mnist() -> str:
    """Return average precision and AUROC of mnist.py by digit."""
    found = {(line["digit"], line["method"]): line for line in read_lines(RESULTS / "mnist.jsonl")}
    digits, methods = sorted({digit for digit, _ in found}), list(dict.fromkeys(method for _, method in found))
    rows: list[Sequence[object]] = []
    for digit in digits:
        lines = [found[digit, method] for method in methods]
        cells = [f"{line['average_precision']:.3f} / {line['auroc']:.3f}" for line in lines]
        rows.append((digit, f"{lines[0]['base_rate']:.3f}", *cells))
    means = [" / ".join(f"{value:.3f}" for value in mnist_means(method)) for method in methods]
    rate = mean(found[digit, methods[0]]["base_rate"] for digit in digits)
    return markdown(("digit left out", "base rate", *methods), [*rows, ("mean", f"{rate:.3f}", *means)])


def mnist_means(method: str) -> tuple[float, float]:
    """Return mean average precision and AUROC over the ten digits of mnist.py."""
    lines = group_by(read_lines(RESULTS / "mnist.jsonl"), "method")[method]
    return mean(line["average_precision"] for line in lines), mean(line["auroc"] for line in lines)


def page_means(page: str, label: str) -> tuple[float, float, int]:
    """Return average precision and AUROC of a detector on a page, as means over the tasks, and its number of seeds."""
    lines = [line for line in ok_lines(PAGES / page) if line["label"] == label]
    by_task = group_by(lines, "task").values()
    precision, auroc = (
        mean(mean(line["metrics"][name] for line in runs) for runs in by_task)
        for name in ("average_precision", "auroc")
    )
    return precision, auroc, len({line["seed"] for line in lines})


def pages() -> str:
    """Return average precision and AUROC of the detectors that most pages have."""
    names = {
        "adbench": "ADBench",
        "arrhythmia": "Arrhythmia",
        "cifar10": "CIFAR-10, one class normal",
        "digits": "Digits, 8 x 8, one left out",
        "kdd99": "KDD99",
        "magnetic_tile": "Magnetic tiles",
        "mnist": "MNIST, one digit left out",
        "mnist_10k": "MNIST, 10,000 training images",
    }
    rows = []
    for page, name in names.items():
        lines = ok_lines(PAGES / page)
        rate = mean(runs[0]["base_rate"] for runs in group_by(lines, "task").values())
        labels = {line["label"] for line in lines}
        tasks, seeds = len({line["task"] for line in lines}), page_means(page, "egbad")[2]
        means = [page_means(page, label) if label in labels else None for label in SUMMARY]
        cells = ["" if found is None else f"{found[0]:.3f} / {found[1]:.3f}" for found in means]
        rows.append((f"[{name}](results/{page}/results.md)", tasks, seeds, f"{rate:.2f}", *cells))
    return markdown(("page", "tasks", "seeds", "base rate", *(f"`{name}`" for name in SUMMARY)), rows)


def blend_parts() -> str:
    """Return AUROC and average precision of Blend and its parts on ADBench, as means, and on KDD99."""
    lines = read_lines(RESULTS / "blend_parts.jsonl")
    parts, rows = list(lines[0]["auroc"]), []
    for data in ("ADBench", "KDD99"):
        own = [line for line in lines if (line["task"] == "kdd99") == (data == "KDD99")]
        tasks, seeds = (len({line[name] for line in own}) for name in ("task", "seed"))
        cells = [
            " / ".join(f"{mean(line[name][part] for line in own):.4f}" for name in ("auroc", "average_precision"))
            for part in parts
        ]
        rows.append((data, tasks, seeds, *cells))
    return markdown(("AUROC / average precision", "tables", "seeds", *(PARTS[part] for part in parts)), rows)


def colour() -> str:
    """Return AUROC of Blend and its parts on colour photographs."""
    lines = read_lines(RESULTS / "colour.jsonl")
    rows: list[Sequence[object]] = []
    for part in lines[0]["auroc"]:
        values = [line["auroc"][part] for line in lines]
        rows.append((PARTS[part], *(f"{value:.3f}" for value in values), f"{mean(values):.3f}"))
    return markdown(("AUROC, one seed", *(line["class"] for line in lines), "mean"), rows)


def photographs() -> str:
    """Return the figures of the default for photographs, of its parts alone and of PatchCore as published, by set."""
    metrics = ("image_auroc", "pixel_auroc", "pro", "peak_in_mask", "false_alarms_at_10_percent")
    rows = []
    for (name, detector), lines in group_by(read_lines(RESULTS / "photographs.jsonl"), "set", "detector").items():
        label = {"paper": '`PatchCore(recipe="paper")`'}.get(detector, detector)
        cells = [" ".join(f"{line[m]:.3f}" for line in lines) if m in lines[0] else "" for m in metrics]
        times = [f"{mean(line[m] for line in lines):.0f}" for m in ("fit_seconds", "score_ms")]
        size = " x ".join(map(str, lines[0]["size"]))
        rows.append((name, label, *cells, size, *(times if detector in ("Blend", "paper") else ("", ""))))
    head = (
        "image AUROC",
        "pixel AUROC",
        "PRO",
        "peak in mask",
        "false alarms at 10 %",
        "pixels",
        "fit, s",
        "ms an image",
    )
    return markdown(("set", "detector", *head), rows)


def wide_networks() -> str:
    """Return AUROC on CIFAR-10 with wide networks on a GPU, and of the page's default, by class."""
    found = {(line["detector"], line["task"]): line["auroc"] for line in read_lines(RESULTS / "wide_networks.jsonl")}
    default = {
        line["task"]: line["metrics"]["auroc"] for line in ok_lines(PAGES / "cifar10") if line["label"] == "blend"
    }
    tasks = sorted({task for detector, task in found if detector == "blend"})
    methods = {
        "Blend with `contrastive-wide`": [found["blend", task] for task in tasks],
        "`contrastive-wide` alone": [found["contrastive-wide", task] for task in tasks],
        "Blend, default, on a CPU": [default[task] for task in tasks],
    }
    rows = [(name, *(f"{v:.3f}" for v in values), f"{mean(values):.3f}") for name, values in methods.items()]
    return markdown(("normal class", *(task.split()[1] for task in tasks), "mean"), rows)
