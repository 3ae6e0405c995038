"""Tables of design choices: ablation, training length, members, contamination, tuning and columns."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from statistics import mean

from lines import PAGES, RESULTS, Line, flat_metrics, group_by, ok_lines, read_lines
from table_format import markdown, span, spread

from egbad.benchmark.statistics import paired_difference

DATA = {
    "kdd": "KDD99 (F1)",
    "adbench/": "ADBench without InternetAds",
    "digits": "digits, 8 x 8",
    "mnist": "MNIST, 10,000 images",
    "magnetic_tile": "magnetic tiles (AUROC)",
}
METRICS = {"kdd": "f1", "magnetic_tile": "auroc"}  # average precision for all other data
TASKS = {"mnist": "mnist table", "mnist 10k, 9 left out": "MNIST 10,000, 9 left out"}
CHOICES = ("defaults", "without labels", "by 10 labelled")


def ablation(detector: str) -> str:
    """Return the default on each data set, average precision or F1 on KDD99, and the effect of each change."""
    runs: dict[str, dict[str, dict[int, float]]] = defaultdict(dict)
    for line in ok_lines(RESULTS / "ablation"):
        if line["detector"] == detector:
            measure = "f1" if line["task"] == "kdd99" else "average_precision"
            by_task = runs[line["label"].partition(": ")[2]]
            by_task.setdefault(line["task"], {})[line["seed"]] = line[measure]
    default = runs.pop("default")
    rows = [("default", *(spread([*found.values()]) for found in default.values()))]
    rows += [(name, *(_change(found.get(task), default[task]) for task in default)) for name, found in runs.items()]
    return markdown((detector, *(TASKS.get(task, task) for task in default)), rows)


def _change(found: dict[int, float] | None, default: dict[int, float]) -> str:
    """Format mean and spread of the differences to the default, seed by seed."""
    differences = [found[seed] - default[seed] for seed in found if seed in default] if found else []
    sign = "+" if differences and mean(differences) >= 0 else ""
    return f"{sign}{spread(differences)}" if differences else ""


def training_length(detector: str) -> str:
    """Return means for the three limits on steps; a run that stopped before the limit is the same for all three."""
    runs: dict[str, dict] = defaultdict(lambda: defaultdict(dict))
    steps: dict[str, list[int]] = defaultdict(list)
    for line in ok_lines(RESULTS / "training_length"):
        if line["detector"] == detector:
            prefix = next(prefix for prefix in DATA if line["dataset"].startswith(prefix))
            value = line[METRICS.get(prefix, "average_precision")]
            runs[DATA[prefix]][line["task"], line["seed"]][int(line["label"].split()[0])] = value
            steps[DATA[prefix]].append(line["training_steps"])
    rows = []
    for data, found in runs.items():
        values = [{n: own.get(n, own[5]) for n in (1, 2, 5)} for own in found.values()]
        means = [f"{mean(own[n] for own in values):.4f}" for n in (1, 2, 5)]
        change = max(max(own.values()) - min(own.values()) for own in values)
        rows.append((data, len(found), *means, f"{change:.4f}", f"{min(steps[data]):,} to {max(steps[data]):,}"))
    head = ("data", "runs", "limit", "twice the limit", "five times", "largest change of a run", "steps taken")
    return markdown(head, rows)


def members() -> str:
    """Return five members and the single one of the pages on the same splits, as means over the tasks."""
    five = {(line["task"], line["seed"]): line for line in ok_lines(RESULTS / "members")}
    rows = []
    for page in ("kdd99", "adbench", "digits", "mnist_10k", "magnetic_tile"):
        one = {
            (line["task"], line["seed"]): flat_metrics(line["metrics"]) | {"seconds": line["seconds"]}
            for line in ok_lines(PAGES / page)
            if line["label"] == "egbad" and (line["task"], line["seed"]) in five
        }
        for number, lines in ((1, [*one.values()]), (5, [five[key] for key in one])) if one else ():
            values = [f"{mean(line[name] for line in lines):.3f}" for name in ("average_precision", "auroc", "f1")]
            alarms = [f"{mean(line['false_alarms'][alpha] for line in lines):.4f}" for alpha in ("0.01", "0.05")]
            seconds = [f"{mean(line['seconds'][name] for line in lines):.1f}" for name in ("fit", "score")]
            rows.append((page, len(one), number, *values, ", ".join(alarms), *seconds))
    head = ("page", "tasks", "members", "average precision", "AUROC", "F1, top 20 percent")
    return markdown((*head, "false alarms at 0.01, 0.05", "fit, s", "score, s"), rows)


def contamination() -> str:
    """Return mean average precision over data sets, by detector and contamination."""
    runs: dict[tuple[str, str, bool], dict[str, float]] = defaultdict(dict)
    for line in ok_lines(RESULTS / "contamination"):
        fraction = line["key"].split("|")[1].rpartition(", ")[2].removesuffix(" mixed in")
        trimmed = line["parameters"]["preprocessing__trim_fraction"] > 0
        runs[line["detector"], fraction, trimmed][line["task"]] = line["average_precision"]
    rows = []
    for (detector, fraction, is_trimmed), found in runs.items():
        trimmed, clean = runs.get((detector, fraction, True)), runs[detector, "0", False]
        if is_trimmed or fraction == "0" or not trimmed:
            continue
        tasks = [task for task in found if task in trimmed and task in clean]
        before, dirty, after = (mean(values[task] for task in tasks) for values in (clean, found, trimmed))
        left = (before - after) / (before - dirty)
        cells = [f"{value:.3f}" for value in (before, dirty, after)]
        rows.append((detector, f"{float(fraction):.0%}", len(tasks), *cells, f"{left:.2f}"))
    head = ("detector", "contamination", "data sets", "clean", "no trimming", "trimmed", "loss left")
    return markdown(head, rows)


def contamination_by_table(folder: Path) -> str:
    """Return the mean differences that anomalies among the training rows make, with and without trimming.

    Each data set counts once, with its mean over seeds. A level of contamination covers the data sets that have enough
    anomalies for it.
    """
    values: dict[tuple[str, str, bool], dict[str, dict[str, list[float]]]] = {}
    for line in ok_lines(folder):
        fraction = line["key"].split("|")[1].rpartition(", ")[2].removesuffix(" mixed in")
        label, _, trim = line["label"].rpartition(", trim ")
        own = values.setdefault((label, fraction, float(trim) > 0), {}).setdefault(line["task"], defaultdict(list))
        for metric in ("auroc", "average_precision"):
            own[metric].append(line[metric])
    rows = []
    for (label, fraction, is_trimmed), found in sorted(values.items()):
        clean = values.get((label, "0", False), {})
        tasks = sorted(found.keys() & clean.keys())
        if fraction == "0" or not tasks:
            continue
        cells = []
        for metric in ("auroc", "average_precision"):
            before, after = ([mean(own[task][metric]) for task in tasks] for own in (clean, found))
            difference = paired_difference([b - a for a, b in zip(before, after, strict=True)])
            interval = f"[{difference.low:+.3f}, {difference.high:+.3f}]"
            cells += [f"{mean(before):.3f}", f"{difference.mean:+.3f} {interval}"]
        rows.append((label, f"{float(fraction):.0%}", "yes" if is_trimmed else "no", len(tasks), *cells))
    head = ("detector", "contamination", "trimmed", "data sets", "AUROC, clean", "change", "AP, clean", "change")
    return markdown(head, rows)


def tuning() -> str:
    """Return means over the tables that all choices of parameters have, and how often the defaults changed."""
    rows = []
    for detector, lines in group_by(read_lines(RESULTS / "tuning.jsonl"), "detector").items():
        by_choice = group_by(lines, "way")
        complete = set.intersection(*({(line["table"], line["seed"]) for line in by_choice[c]} for c in CHOICES))
        for choice in CHOICES:
            own = [line for line in by_choice[choice] if (line["table"], line["seed"]) in complete]
            values = [f"{mean(line[metric] for line in own):.3f}" for metric in ("average_precision", "auroc")]
            rows.append((detector, choice, *values, f"{sum(bool(line['chosen']) for line in own)} of {len(own)}"))
    return markdown(
        ("detector", "parameters", "average precision", "AUROC", "tables with other parameters than the defaults"), rows
    )


def column_types() -> str:
    """Return KDD99 with categorical and with one-hot columns."""
    rows = []
    for (detector, columns), lines in group_by(
        read_lines(RESULTS / "column_types.jsonl"), "detector", "columns"
    ).items():
        cells = [f"{mean(line[name] for line in lines):.4f}" for name in ("f1", "auroc", "average_precision")]
        rows.append((detector, columns, len(lines), *cells))
    return markdown(("detector", "columns", "seeds", "F1", "AUROC", "average precision"), sorted(rows))


def column_scaling() -> str:
    """Return the nearest neighbour under several scalings."""
    rows = [
        (line["columns"], f"{line['average_precision']:.3f}", f"{line['auroc']:.3f}")
        for line in read_lines(RESULTS / "column_scaling.jsonl")
    ]
    return markdown(("columns", "average precision", "AUROC"), rows)


def sampling() -> str:
    """Return F1 by seed and size of the shuffle buffer."""
    found = {(line["seed"], line["buffer"]): line["f1"] for line in read_lines(RESULTS / "sampling.jsonl")}
    buffers = ("all rows", 65_536, 16_384, 4_096)
    rows = [(seed, *(f"{found[seed, size]:.3f}" for size in buffers)) for seed in sorted({seed for seed, _ in found})]
    return markdown(("seed", "all rows", *(f"buffer of {size:,}" for size in buffers[1:])), rows)


def calibration() -> str:
    """Return false-alarm rates by alpha."""
    rows: list[Sequence[object]] = []
    for (task, detector), lines in group_by(read_lines(RESULTS / "calibration.jsonl"), "task", "detector").items():
        cells = []
        for i in range(3):
            alarms = [line["false_alarms"][i] for line in lines]
            inside = sum(a["low"] <= a["rate"] <= a["high"] for a in alarms)
            cells.append(f"{mean(a['rate'] for a in alarms):.4f}, {inside} of {len(alarms)}")
        precision = spread([line["average_precision"] for line in lines])
        rows.append((TASKS.get(task, task), detector, f"{lines[0]['calibration_rows']:,}", *cells, precision))
    head = ("data", "detector", "calibration rows", "alpha 0.001", "0.01", "0.05", "average precision")
    return markdown(head, rows)


def member_spread() -> str:
    """Return the share of errors in fifths of the test rows by spread, and the AUROC of the spread for errors."""
    rows: list[Sequence[object]] = []
    for (task, detector), lines in group_by(read_lines(RESULTS / "calibration.jsonl"), "task", "detector").items():
        fifths = ", ".join(f"{mean(line['errors_by_spread'][i] for line in lines):.3f}" for i in range(5))
        auroc = [line["spread_tells_errors"] for line in lines if line["spread_tells_errors"] is not None]
        rows.append((TASKS.get(task, task), detector, fifths, spread(auroc, 2)))
    return markdown(("data", "detector", "errors in fifths of the test rows, by spread", "AUROC"), rows)


def attributions() -> str:
    """Return how often a faulty column ranks first and among three, weighted by flagged rows."""
    lines = read_lines(RESULTS / "explanations.jsonl")
    injected = [line for line in lines if line["fault"] != "another category"]
    faults = list(dict.fromkeys(line["fault"] for line in injected))
    rows = []
    for detector, own in group_by(injected, "detector").items():
        groups = [*([line for line in own if line["fault"] == fault] for fault in faults), own]
        rows.append((detector, *(" / ".join(f"{value:.3f}" for value in _hit_rates(group)) for group in groups)))
    return markdown(("detector", *faults, "all"), rows)


def _hit_rates(lines: list[Line]) -> list[float]:
    """Return the weighted means of hits in the first place and in the first three."""
    total = sum(line["flagged"] for line in lines)
    return [sum(line[name] * line["flagged"] for line in lines) / total for name in ("first", "of_three")]


def other_attributions() -> str:
    """Return EGBAD's attributions beside two model-agnostic methods, weighted by explained rows."""
    lines = [line for line in read_lines(RESULTS / "explanations_others.jsonl") if "rows" in line]
    rows = []
    for task, own in group_by(lines, "task").items():
        permutation, shap = (group_by(own, "method")[method] for method in ("permutation", "shap"))
        ours = _by_rows(permutation, "ours_first", "ours_of_three")
        theirs = [_by_rows(runs, "first", "of_three") for runs in (permutation, shap)]
        costs = [span([mean(line["costs_scores"] for line in runs)], 2) for runs in (permutation, shap)]
        rows.append((task, ours, *theirs, " / ".join(costs)))
    head = ("data set", "EGBAD", "permutation", "kernel SHAP", "scoring calls a row: permutation / SHAP")
    return markdown(head, rows)


def _by_rows(lines: list[Line], *keys: str) -> str:
    """Format means weighted by the number of explained rows."""
    total = sum(line["rows"] for line in lines)
    return " / ".join(f"{sum(line[key] * line['rows'] for line in lines) / total:.2f}" for key in keys)


def localization() -> str:
    """Return AUROC and PRO of pixel attributions on magnetic tiles."""
    rows = []
    lines = read_lines(RESULTS / "localization.jsonl")
    for line in lines:
        values = [line["auroc"], line["pixel_auroc"], line["pro"], *line["by_kind"].values()]
        rows.append((line["detector"], *(f"{value:.3f}" for value in values), f"{line['costs_scores']:.1f}"))
    kinds = [kind.removeprefix("MT_").lower() for kind in lines[0]["by_kind"]]
    return markdown(("detector", "tiles: AUROC", "pixels: AUROC", "PRO", *kinds, "cost in scoring calls"), rows)
