"""Tables and sentences on the worth of the adversarial loss, from the lines of adversarial.py, ablation.py and features.py."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import mean, median

import numpy as np
from lines import PAGES, RESULTS, Line, flat_metrics, group_by, ok_lines, read_lines
from paper_tables import (
    DIGITS,
    by_protocol,
    default_on_mnist,
    digit,
    finite,
    last_epoch,
    member_lines,
    reached,
)
from scipy.stats import wilcoxon
from table_format import markdown, span, spread

AUROC, AP = "auroc", "average_precision"
NAMES = {AUROC: "AUROC", AP: "average precision"}
EGBAD, NO_ADVERSARIAL = "egbad", "no adversarial loss"
OTHERS = {  # variant of adversarial.py -> words for it
    NO_ADVERSARIAL: "without the adversarial loss",
    "no cycle-consistency loss": "without the cycle-consistency loss",
    "untrained": "untrained",
    "knn": "nearest neighbours",
}
RESAMPLES, LEAST = 10_000, 5  # of the bootstrap, and values below which its interval would be too narrow
LEAST_RANKED = 6  # differences below which no Wilcoxon test reaches 5 percent
KINDS = (  # title, word for a task, number of tasks, beginning of the name of the data set
    ("KDD99", "data set", 1, "kdd99"),
    ("ADBench", "table", 21, "adbench/"),
    ("OddBench", "table", 225, "oddbench/"),
    ("MNIST, 10,000 images", "digit", 10, "mnist"),
)
ON_PAGE = (EGBAD, "egbad, untrained", "knn")
ABLATION = {
    "mnist 10k, 9 left out": "MNIST, 10,000 images, 9 left out",
    "digits, 8 left out": "Digits, 8 x 8, 8 left out",
}
FEATURE_METHODS = {"egbad": EGBAD, "egbad, adversarial_weight=0": NO_ADVERSARIAL, "knn": "knn"}
Run = tuple[str, int]  # task and seed


@dataclass(frozen=True)
class Suite:
    """Runs of EGBAD and its variants on the tasks of one kind of data.

    Attributes
    ----------
    title : str
    unit : str
        Word for a task.
    n_tasks : int
        Number of tasks that the complete measurement has.
    runs : dict
        For each variant the lines by task and seed.
    """

    title: str
    unit: str
    n_tasks: int
    runs: dict[str, dict[Run, Line]]


@dataclass(frozen=True)
class Comparison:
    """EGBAD compared with a variant on the runs that both have.

    Attributes
    ----------
    tasks : list of str
        Names in the order of the differences.
    seeds : tuple of int
        The lowest and the highest number of seeds of a task.
    means : dict of str to (float, float)
        By metric the mean over tasks of EGBAD and of the variant.
    differences : dict of str to list of float
        By metric EGBAD minus the variant: means over the seeds of each task, or one value a seed if there is a single task.
    slowdown : float or None
        Median over runs of the training time of EGBAD relative to that of the variant.
    """

    tasks: list[str]
    seeds: tuple[int, int]
    means: dict[str, tuple[float, float]]
    differences: dict[str, list[float]]
    slowdown: float | None


# -- lines -------------------------------------------------------------------------------------------------------------


def suites() -> list[Suite]:
    """Return all suites with lines."""
    found = [*measured_suites(), *older_suites(), *feature_suites()]
    return [suite for suite in found if EGBAD in suite.runs]


def measured_suites() -> Iterator[Suite]:
    """Yield the suites of adversarial.py."""
    lines = ok_lines(RESULTS / "adversarial")
    for title, unit, n_tasks, prefix in KINDS:
        own = [line for line in lines if line["dataset"].startswith(prefix)]
        yield Suite(title, unit, n_tasks, by_variant(own, "label", "task"))


def older_suites() -> Iterator[Suite]:
    """Yield ten digits from their page, without runs that lack a loss, and the two images of ablation.py."""
    page = [line | flat_metrics(line["metrics"]) for line in ok_lines(PAGES / "mnist_10k") if line["label"] in ON_PAGE]
    page = [line | {"label": line["label"].removeprefix("egbad, ")} for line in page]
    yield Suite("MNIST, 10,000 images, page", "digit", 10, by_variant(page, "label", "task"))
    lines = [line for line in ok_lines(RESULTS / "ablation") if line["detector"] == EGBAD]
    lines = [line | {"label": line["label"].removeprefix("egbad: ").replace("default", EGBAD)} for line in lines]
    for task, title in ABLATION.items():
        yield Suite(title, "digit", 1, by_variant([line for line in lines if line["task"] == task], "label", "task"))


def feature_suites() -> Iterator[Suite]:
    """Yield the suites of features.py."""
    lines = read_lines(RESULTS / "features" / "runs.jsonl")
    lines = [line | {"label": FEATURE_METHODS[line["method"]]} for line in lines if line["method"] in FEATURE_METHODS]
    for kind, title in (("global", "Photographs, feature vectors"), ("patches", "Photographs, patches of features")):
        own = [line for line in lines if line["features"] == kind]
        yield Suite(title, "folder", len({line["folder"] for line in own}), by_variant(own, "label", "folder"))


def by_variant(lines: list[Line], label: str, task: str) -> dict[str, dict[Run, Line]]:
    """Group lines by variant, then by task and seed."""
    return {
        variant: {(line[task], line["seed"]): line for line in own} for variant, own in group_by(lines, label).items()
    }


# -- statistics --------------------------------------------------------------------------------------------------------


def compare(suite: Suite, variant: str) -> Comparison | None:
    """Compare EGBAD with a variant on the tasks and seeds that both have; None if there are none."""
    ours, theirs = suite.runs.get(EGBAD, {}), suite.runs.get(variant, {})
    common = sorted(ours.keys() & theirs.keys())
    if not common:
        return None
    tasks = {task: [run for run in common if run[0] == task] for task, _ in common}
    means, differences = {}, {}
    for name in [name for name in NAMES if name in ours[common[0]]]:
        a, b = ([mean(runs[run][name] for run in own) for own in tasks.values()] for runs in (ours, theirs))
        means[name] = (mean(a), mean(b))
        if len(tasks) == 1:
            a, b = ([runs[run][name] for run in common] for runs in (ours, theirs))
        differences[name] = [x - y for x, y in zip(a, b, strict=True)]
    seconds = [(fit_seconds(ours[run]), fit_seconds(theirs[run])) for run in common]
    slowdown = median(a / b for a, b in seconds) if all(b > 0 for _, b in seconds) else None
    counts = [len(own) for own in tasks.values()]
    return Comparison([*tasks], (min(counts), max(counts)), means, differences, slowdown)


def fit_seconds(line: Line) -> float:
    """Return the training time of a run."""
    return float(line["seconds"]["fit"] if "seconds" in line else line["fit_seconds"])


def bootstrap(values: Sequence[float]) -> tuple[float, float] | None:
    """Return the 95 percent interval of the mean by resampling, with the same numbers in every call; None for few values."""
    if len(values) < LEAST:
        return None
    drawn = np.random.default_rng(0).integers(len(values), size=(RESAMPLES, len(values)))
    low, high = np.percentile(np.asarray(values)[drawn].mean(axis=1), [2.5, 97.5])
    return float(low), float(high)


def rank_test(values: Sequence[float]) -> float | None:
    """Return p of the two-sided Wilcoxon signed-rank test; None for few differences that are not zero."""
    values = [value for value in values if value]
    return float(wilcoxon(values).pvalue) if len(values) >= LEAST_RANKED else None


# -- tables and sentences ----------------------------------------------------------------------------------------------


def interval(values: Sequence[float]) -> str:
    """Format the mean of differences with its bootstrap interval in parentheses, of few with all of them in brackets."""
    if (found := bootstrap(values)) is not None:
        return f"{mean(values):+.3f} ({found[0]:+.3f} to {found[1]:+.3f})"
    return f"{mean(values):+.3f}" + (f" [{', '.join(f'{v:+.3f}' for v in sorted(values))}]" if len(values) > 1 else "")


def share(suite: Suite, found: Comparison) -> str:
    """Format the number of tasks, of those that the complete measurement has."""
    n = len(found.tasks)
    return f"{n} of {suite.n_tasks}" if n < suite.n_tasks else str(n)


def extent(suite: Suite, found: Comparison) -> str:
    """Format the numbers of tasks and seeds, and what is missing."""
    return f"{share(suite, found)} x {span(found.seeds, 3)}"


def comparisons() -> str:
    """Return EGBAD beside each variant and nearest neighbours, by suite."""
    rows: list[Sequence[object]] = []
    for suite in suites():
        for variant, words in OTHERS.items():
            if (found := compare(suite, variant)) is None:
                continue
            means = [" / ".join(f"{value[i]:.3f}" for value in found.means.values()) for i in (0, 1)]
            both = [interval(found.differences[name]) if name in found.differences else "" for name in NAMES]
            auroc = found.differences[AUROC]
            better, worse = sum(value > 0 for value in auroc), sum(value < 0 for value in auroc)
            p = rank_test(auroc)
            shown = "" if p is None else f"{p:.2g}"
            rows.append((suite.title, words, extent(suite, found), *means, *both, f"{better} / {worse}", shown))
    metrics = ("EGBAD", "the other", "difference in AUROC", "in average precision")
    return markdown(("data", "EGBAD and", "tasks x seeds", *metrics, "better / worse", "p"), rows)


def verdict(found: Comparison) -> str:
    """Return words for the metrics whose interval is on one side of zero."""
    ends = {NAMES[name]: bootstrap(values) for name, values in found.differences.items()}
    if None in ends.values():
        return "too few runs for an interval"
    higher = [f"higher {name}" for name, own in ends.items() if own is not None and own[0] > 0]
    lower = [f"lower {name}" for name, own in ends.items() if own is not None and own[1] < 0]
    unclear = [f"no clear difference in {name}" for name, own in ends.items() if own and own[0] <= 0 <= own[1]]
    return ", ".join(higher + lower + unclear) if higher + lower else "no clear difference"


def extremes(found: Comparison) -> str:
    """Name the tasks with the largest gain and the largest loss of AUROC, if there are enough tasks for an interval."""
    if len(found.tasks) < LEAST:
        return ""
    order = sorted(zip(found.differences[AUROC], found.tasks, strict=True))
    (low, worst), (high, best) = order[0], order[-1]
    return f" From {low:+.3f} ({worst}) to {high:+.3f} ({best}) by table or digit."


def sentences() -> str:
    """Return a sentence for each suite on EGBAD with and without the adversarial loss, and one on missing ones."""
    lines = []
    for suite in suites():
        if (found := compare(suite, NO_ADVERSARIAL)) is None:
            continue
        metrics = ", ".join(f"{NAMES[name]} {interval(values)}" for name, values in found.differences.items())
        units = f"{share(suite, found)} {suite.unit}s, " if suite.n_tasks > 1 else ""
        seeds = f"{span(found.seeds, 3)} seed{'s' if found.seeds[1] > 1 else ''}"
        time = "" if found.slowdown is None else f" Training takes {found.slowdown:.1f} times as long."
        lines.append(f"- **{suite.title}** ({units}{seeds}): {verdict(found)}. {metrics}.{extremes(found)}{time}")
    measured = {suite.title for suite in measured_suites() if compare(suite, NO_ADVERSARIAL)}
    missing = [title for title, *_ in KINDS if title not in measured]
    return "\n".join([*lines, *([f"- Not measured: {'; '.join(missing)}."] if missing else [])])


def counted(runs: Sequence[float]) -> str:
    """Return the number of runs with the noun."""
    return f"{len(runs)} run{'s' if len(runs) > 1 else ''}"


def paper_sentences() -> str:
    """Return what the paper's recipe reaches, which trains by the adversarial loss alone, as a list."""
    lines = []
    for protocol, own in by_protocol(member_lines("kdd99")).items():
        last = [line for line in finite(last_epoch(own)) if line["score"] == "fm"]
        f1 = [line["f1"] for line in last]
        lines.append(
            f"- **KDD99, protocol `{protocol}`**: F1 {spread(f1)} in {counted(f1)} after {reached(last)} epochs."
        )
    default = default_on_mnist()
    for _, own in sorted(group_by(member_lines("mnist"), "task").items()):
        for protocol, of_protocol in by_protocol(own).items():
            last = [line for line in finite(last_epoch(of_protocol)) if line["score"] == "fm"]
            d, precision = digit(last[0]), [line["average_precision"] for line in last]
            lines.append(
                f"- **MNIST, {d} left out, protocol `{protocol}`**: average precision {spread(precision)} in "
                f"{counted(precision)} after {reached(last)} epochs. Chance is {last[0]['base_rate']:.3f}, the default has "
                f"{spread(default[d])} after its whole training."
            )
    missing = [str(d) for d in DIGITS if not any(digit(line) == d for line in member_lines("mnist"))]
    if missing:
        which = f"with {', '.join(missing)} left out" if len(missing) < len(DIGITS) else "with any digit left out"
        lines.append(f"- MNIST {which}: not run.")
    return "\n".join(lines)


TABLES = {
    "the adversarial loss": comparisons,
    "the adversarial loss, in words": sentences,
    "the paper's recipe, in words": paper_sentences,
}
