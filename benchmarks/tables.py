"""The tables of RESULTS.md from the JSON lines that the other scripts and `egbad benchmark` wrote.

python benchmarks/tables.py
"""

import json
import re
from collections import defaultdict
from functools import partial
from pathlib import Path
from statistics import mean, stdev

RESULTS = Path(__file__).parent / "results"
RUNS = Path(__file__).parents[1] / "docs" / "results"


def lines(name: str) -> list[dict]:
    return [json.loads(line) for line in (RESULTS / name).read_text(encoding="utf-8").splitlines()]


def spread(values: list[float], digits: int = 4) -> str:
    """Mean and sample standard deviation."""
    return f"{mean(values):.{digits}f}" + (f" ± {stdev(values):.{digits}f}" if len(values) > 1 else "")


def kdd99(name: str) -> None:
    runs = defaultdict(list)
    for line in lines(name):
        runs[line["method"]].append(line)
    print(
        "| method | seeds | precision | recall | F1 | AUROC | AUROC without repeats | average precision | ties | fit, s |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for method, of_method in runs.items():
        names = ("precision", "recall", "f1", "auroc", "auroc_without_repeats", "average_precision")
        cells = [spread([line[name] for line in of_method]) for name in names]
        ties = max(line["ties"] for line in of_method)
        seconds = mean(line["fit_seconds"] for line in of_method)
        print(f"| {method} | {len(of_method)} | {' | '.join(cells)} | {ties} | {seconds:.0f} |")


def mnist() -> None:
    found = {(line["digit"], line["method"]): line for line in lines("mnist.jsonl")}
    digits = sorted({digit for digit, _ in found})
    methods = list(dict.fromkeys(method for _, method in found))
    print(f"| digit left out | base rate | {' | '.join(methods)} |")
    print("| --- | --- |" + " --- |" * len(methods))
    for digit in digits:
        of_digit = [found[digit, method] for method in methods]
        cells = [f"{line['average_precision']:.3f} / {line['auroc']:.3f}" for line in of_digit]
        print(f"| {digit} | {of_digit[0]['base_rate']:.3f} | {' | '.join(cells)} |")
    means = [
        " / ".join(f"{mean(found[d, method][name] for d in digits):.3f}" for name in ("average_precision", "auroc"))
        for method in methods
    ]
    print(f"| mean | | {' | '.join(means)} |")


def paper() -> None:
    print("| step | seconds of training | F1 | F1 of the residual alone | F1 of the features alone | AUROC | ties |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for line in lines("kdd99_paper.jsonl"):
        if line["step"] % 20_000 == 0:
            names = ("f1", "f1_residual", "f1_features", "auroc")
            cells = " | ".join(f"{line[name]:.3f}" for name in names)
            print(f"| {line['step']:,} | {line['seconds']:.0f} | {cells} | {line['ties']:,} |")


# F1 as published for KDD99, with the spread where one was given; RESULTS.md says where each was found.
PUBLISHED = {
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


# What `egbad benchmark` calls a variant -> what it is called above.
VARIANTS = {
    "anogan-sigma": "anogan, sigma",
    "dagmm-nvi": "dagmm, nvi",
    "dsebm-r": "dsebm, reconstruction",
    "egbad-sigma": "egbad, sigma",
}


def _published_as(method: str) -> str:
    """The method whose published figure stands beside a variant."""
    return re.sub(r", (min-max|unscaled|paper's recipe)$", "", method)


def everything(folder: str) -> None:
    """Every detector that `egbad benchmark` ran, best first."""
    runs = defaultdict(list)
    for text in (RUNS / folder / "runs.jsonl").read_text(encoding="utf-8").splitlines():
        line = json.loads(text)
        if line["status"] == "ok":
            runs[line["label"]].append(line)
    head = (
        "method",
        "runs",
        "F1",
        "AUROC",
        "average precision",
        "false alarms",
        "fit, s",
        "per second",
        "published F1",
    )
    print(f"| {' | '.join(head)} |")
    print("|" + " --- |" * len(head))
    for method in sorted(runs, key=lambda method: -mean(line["metrics"]["auroc"] for line in runs[method])):
        of_method = runs[method]
        measured = [line["metrics"] for line in of_method]
        cells = [
            spread([m["top"]["f1"] for m in measured], 3),
            spread([m["auroc"] for m in measured], 3),
            spread([m["average_precision"] for m in measured], 3),
            spread([m["thresholds"]["0.01"]["false_alarms"] for m in measured], 3),
            f"{mean(line['seconds']['fit'] for line in of_method):.1f}",
            f"{mean(line['scored_per_second'] for line in of_method):,.0f}",
            PUBLISHED.get(VARIANTS.get(method, method), ""),
        ]
        print(f"| {method} | {len(of_method)} | {' | '.join(cells)} |")


def detectors(task: str) -> None:
    runs = defaultdict(list)
    for line in lines(f"detectors_{task}.jsonl"):
        runs[line["method"]].append(line)
    f1 = task in ("kdd99", "as_published")
    rule = " | published F1" if f1 else ""
    head = [
        "method",
        "seeds",
        *(["F1"] if f1 else []),
        "AUROC",
        "average precision",
        "false alarms",
        "fit, s",
        "per second",
    ]
    print(f"| {' | '.join(head)}{rule} |")
    print("|" + " --- |" * (len(head) + f1))
    best = sorted(runs, key=lambda method: -mean(line["auroc"] for line in runs[method]))
    for method in best:
        of_method = runs[method]
        names = [*(["f1"] if f1 else []), "auroc", "average_precision", "false_alarms"]
        cells = [spread([line[name] for line in of_method], 3) for name in names]
        cells.append(f"{mean(line['fit_seconds'] for line in of_method):.1f}")
        cells.append(f"{mean(line['rows_per_second'] for line in of_method):,.0f}")
        if f1:
            cells.append(PUBLISHED.get(_published_as(method), ""))
        print(f"| {method} | {len(of_method)} | {' | '.join(cells)} |")


def ablation() -> None:
    """Each variant on each data set: average precision (F1 on KDD99), and what changing the default does to it."""
    runs = defaultdict(dict)
    for line in lines("ablation/runs.jsonl"):
        if line["status"] == "ok":
            measure = "f1" if line["task"] == "kdd99" else "average_precision"
            runs[line["detector"], line["label"].partition(": ")[2]].setdefault(line["task"], {})[line["seed"]] = line[
                measure
            ]
    tasks = list(dict.fromkeys(task for found in runs.values() for task in found))
    for detector in dict.fromkeys(detector for detector, _ in runs):
        print(f"| {detector} | {' | '.join(tasks)} |")
        print("| --- |" + " --- |" * len(tasks))
        usual = runs[detector, "as it is"]
        for (of, variant), found in sorted(runs.items(), key=lambda item: item[0][1] != "as it is"):
            if of == detector:
                cells = [_change(found.get(task), usual.get(task), variant == "as it is") for task in tasks]
                print(f"| {variant} | {' | '.join(cells)} |")
        print()


def _change(found: dict[int, float] | None, usual: dict[int, float] | None, itself: bool) -> str:
    """Mean of the default, or mean and spread of the differences to it, seed by seed."""
    if not found:
        return ""
    if itself or not usual:
        return spread([*found.values()], 3)
    differences = [found[seed] - usual[seed] for seed in found if seed in usual]
    sign = "+" if differences and mean(differences) >= 0 else ""
    return f"{sign}{spread(differences, 3)}" if differences else ""


def promises() -> None:
    """False alarms by alpha, and errors by spread."""
    runs = defaultdict(list)
    for line in lines("calibration.jsonl"):
        runs[line["task"], line["detector"]].append(line)
    print("| data | detector | calibration rows | alpha 0.001 | 0.01 | 0.05 | average precision |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for (task, detector), found in runs.items():
        cells = []
        for i in range(3):
            alarms = [line["false_alarms"][i] for line in found]
            inside = sum(a["low"] <= a["rate"] <= a["high"] for a in alarms)
            cells.append(f"{mean(a['rate'] for a in alarms):.4f}, {inside} of {len(alarms)} inside")
        precision = spread([line["average_precision"] for line in found], 3)
        print(f"| {task} | {detector} | {found[0]['calibration_rows']:,} | {' | '.join(cells)} | {precision} |")
    print()
    print("| data | detector | wrong answers in fifths of the test rows, by spread | AUROC of the spread for errors |")
    print("| --- | --- | --- | --- |")
    for (task, detector), found in runs.items():
        fifths = [mean(line["errors_by_spread"][i] for line in found) for i in range(5)]
        told = [line["spread_tells_errors"] for line in found if line["spread_tells_errors"] is not None]
        print(
            f"| {task} | {detector} | {', '.join(f'{share:.3f}' for share in fifths)} | {spread(told, 3) if told else ''} |"
        )


def contamination() -> None:
    """Mean average precision over data sets, by the share that was mixed in."""
    runs = defaultdict(dict)
    for line in lines("contamination/runs.jsonl"):
        if line["status"] == "ok":
            share = float(re.search(r", ([0-9.e-]+) mixed in", line["key"])[1])
            runs[line["detector"], share, line["label"].endswith("trim 0")][line["task"]] = line["average_precision"]
    print("| detector | mixed in | data sets | none mixed in | not trimmed | trimmed | loss left |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for (detector, share, plain), found in runs.items():
        trimmed, clean = runs.get((detector, share, False)), runs.get((detector, 0.0, True))
        if not plain or share == 0 or not trimmed or not clean:
            continue
        sets = [task for task in found if task in trimmed and task in clean]
        before, dirty, after = (mean(values[task] for task in sets) for values in (clean, found, trimmed))
        left = (before - after) / (before - dirty)
        print(f"| {detector} | {share:g} | {len(sets)} | {before:.3f} | {dirty:.3f} | {after:.3f} | {left:.2f} |")


SUITES = {
    "adbench/": "ADBench, 21 tables",
    "kdd": "KDD99 (F1)",
    "digits": "digits 8 x 8",
    "mnist": "MNIST, 10,000 normals",
    "magnetic_tile": "magnetic tiles (AUROC)",
}
MEASURES = {"kdd": "f1", "magnetic_tile": "auroc"}


def length() -> None:
    """Means of runs of three lengths, and the steps that the longest took: where it ended by itself, the others are the same."""
    runs, steps = defaultdict(lambda: defaultdict(dict)), defaultdict(list)
    for line in lines("training_length/runs.jsonl"):
        if line["status"] == "ok":
            start = next(start for start in SUITES if line["dataset"].startswith(start))
            of, times = (line["detector"], SUITES[start]), int(line["label"].split()[0])
            runs[of][line["task"], line["seed"]][times] = line[MEASURES.get(start, "average_precision")]
            steps[of].append(line["training_steps"])
    print("| detector | data | runs | as it is | twice as long | five times as long | largest change | steps taken |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for (detector, data), found in runs.items():
        for asked in sorted({tuple(sorted(of)) for of in found.values()}):
            own = [of for of in found.values() if tuple(sorted(of)) == asked]
            same = asked == (5,)  # it ended before once as many
            cells = [f"{mean(of[5 if same else n] for of in own):.4f}" if same or n in asked else "" for n in (1, 2, 5)]
            change = max(max(of.values()) - min(of.values()) for of in own)
            taken = f"{min(steps[detector, data]):,} to {max(steps[detector, data]):,}"
            print(f"| {detector} | {data} | {len(own)} | {' | '.join(cells)} | {change:.4f} | {taken} |")


def members() -> None:
    """Five members beside the one of the pages: the same splits, all measures as means over the tasks."""
    print("| data | runs | members | average precision | AUROC | F1 | false alarms at 0.01, 0.05 | fit, s | score, s |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    five = {(line["task"], line["seed"]): line for line in lines("members/runs.jsonl") if line["status"] == "ok"}
    for page in ("kdd99", "adbench", "digits", "mnist_10k", "magnetic_tile"):
        text = (RUNS / page / "runs.jsonl").read_text(encoding="utf-8")
        found = [json.loads(line) for line in text.splitlines()]
        one = [
            line
            for line in found
            if line["label"] == "egbad" and line["status"] == "ok" and (line["task"], line["seed"]) in five
        ]
        if not one:
            continue
        for number, of in (
            ("one", [flat(line) for line in one]),
            ("five", [five[line["task"], line["seed"]] for line in one]),
        ):
            values = [f"{mean(line[name] for line in of):.3f}" for name in ("average_precision", "auroc", "f1")]
            alarms = ", ".join(f"{mean(line['false_alarms'][alpha] for line in of):.4f}" for alpha in ("0.01", "0.05"))
            seconds = [f"{mean(line['seconds'][name] for line in of):.1f}" for name in ("fit", "score")]
            print(f"| {page} | {len(of)} | {number} | {' | '.join(values)} | {alarms} | {' | '.join(seconds)} |")


def flat(line: dict) -> dict:
    """A line of a page, as the scripts here write it."""
    m = line["metrics"]
    alarms = {alpha: of["false_alarms"] for alpha, of in m["thresholds"].items()}
    measures = {"average_precision": m["average_precision"], "auroc": m["auroc"], "f1": m["top"]["f1"]}
    return {"seconds": line["seconds"], "false_alarms": alarms} | measures


EXTRA = {
    ablation: "ablation/runs.jsonl",
    promises: "calibration.jsonl",
    contamination: "contamination/runs.jsonl",
    length: "training_length/runs.jsonl",
    members: "members/runs.jsonl",
}


if __name__ == "__main__":
    for table in (
        partial(kdd99, "kdd99.jsonl"),
        partial(kdd99, "kdd99_two_splits.jsonl"),
        partial(everything, "kdd99"),
        *(partial(detectors, task) for task in ("as_published", "digits", "five_seven")),
        mnist,
        paper,
        *(table for table, name in EXTRA.items() if (RESULTS / name).exists()),
    ):
        table()
        print()
