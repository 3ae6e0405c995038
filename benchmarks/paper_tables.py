"""Tables of the paper's two experiments and of its speed, from the lines of paper.py."""

from collections.abc import Sequence
from pathlib import Path
from statistics import mean, median

from accuracy_tables import PUBLISHED
from lines import PAGES, RESULTS, Line, flat_metrics, group_by, ok_lines, read_lines
from table_format import markdown, published, spread

from egbad.benchmark.published import PublishedFigure, published_figures

FOLDER = RESULTS / "paper"
PROTOCOLS = ("released", "paper", "clean")
EPOCHS = {"kdd99": 50, "mnist": 100}  # of the paper's recipe
DIGITS = range(10)
IN_A_ROW = 3  # evaluations that must reach the published F1
SCORES = {  # of EGBAD in paper.py -> its name here, and the label of the published figure
    "fm": ("residual + feature matching", "egbad"),
    "sigma": ("residual + cross-entropy of D(x, E(x))", "egbad-sigma"),
    "sigma_released": ("residual + cross-entropy of D(G(E(x)), E(x))", "egbad-sigma"),
}
# Rows of the paper's KDD99 table: name, label of the published figure and of the defaults, label or detector and score in
# paper.py.
METHODS = (
    ("OC-SVM", "one_class_svm", "one_class_svm"),
    ("DSEBM-r", "dsebm-r", "dsebm-r"),
    ("DSEBM-e", "dsebm", "dsebm-e"),
    ("DAGMM-NVI", "dagmm-nvi", "dagmm-nvi"),
    ("DAGMM", "dagmm", "dagmm"),
    ("AnoGAN, FM", "anogan", "anogan-fm"),
    ("AnoGAN, sigma", "anogan-sigma", "anogan-sigma"),
    ("EGBAD, FM", "egbad", "egbad-fm"),
    ("EGBAD, sigma", "egbad-sigma", "egbad-sigma"),
    ("EGBAD, sigma of the released code", "egbad-sigma", "egbad-sigma_released"),
)
DOUBTS = {  # beginning of a remark on a published figure -> its mark
    "unverified": "a",
    "spread unverified": "b",
    "its precision and recall": "c",
    "recall / precision": "d",
    "worse than chance": "e",
    "impossible": "f",
}


def member_lines(suite: str, folder: Path = FOLDER, detector: str = "egbad") -> list[Line]:
    """Return the lines of the members of EGBAD or AnoGAN on one suite."""
    return [line for line in read_lines(folder / f"{detector}.jsonl") if line["suite"] == suite]


def baseline_lines(dataset: str, folder: Path = FOLDER) -> list[Line]:
    """Return the lines of the other methods on one data set."""
    return [line for line in ok_lines(folder / "baselines") if line["dataset"] == dataset]


def finite(lines: list[Line]) -> list[Line]:
    """Return the lines of members whose scores are numbers."""
    return [line for line in lines if line.get("finite", True)]


def last_epoch(lines: list[Line]) -> list[Line]:
    """Return the lines of the last epoch that was evaluated."""
    last = max((line["epoch"] for line in lines), default=0)
    return [line for line in lines if line["epoch"] == last]


def reached(lines: list[Line]) -> str:
    """Format the epoch of the lines, and the epochs of the paper's recipe where these are more."""
    epoch, whole = lines[0]["epoch"], EPOCHS[lines[0]["suite"]]
    return str(epoch) if epoch >= whole else f"{epoch} of {whole}"


def by_protocol(lines: list[Line]) -> dict[str, list[Line]]:
    """Group lines by protocol, in the order of `PROTOCOLS`."""
    groups = group_by(lines, "protocol")
    return {protocol: groups[protocol] for protocol in PROTOCOLS if protocol in groups}


def doubts(figure: PublishedFigure | None, base_rate: float | None = None) -> str:
    """Return the marks of the remarks on a published figure."""
    remarks = [] if figure is None else figure.remarks(base_rate)
    return ", ".join(mark for start, mark in DOUBTS.items() if any(remark.startswith(start) for remark in remarks))


# -- KDD99 -------------------------------------------------------------------------------------------------------------


def kdd99_members() -> str:
    """Return the paper's metrics of EGBAD's members after the last epoch, by protocol and score."""
    rows = []
    for protocol, lines in by_protocol(member_lines("kdd99")).items():
        for score, members in group_by(last_epoch(lines), "score").items():
            known = finite(members)
            cells = [spread([line[key] for line in known]) for key in ("precision", "recall", "f1", "auroc")]
            runs = f"{len(known)} of {len(members)}"
            title, label = SCORES[score]
            rows.append((protocol, title, runs, reached(members), *cells, published(PUBLISHED[label])))
    head = ("protocol", "score", "finite runs", "epochs", "precision", "recall", "F1", "AUROC", "published F1")
    return markdown(head, rows)


def kdd99_epochs() -> str:
    """Return F1 and AUROC of EGBAD's members by feature matching, by protocol and epoch."""
    rows = []
    for protocol, lines in by_protocol(member_lines("kdd99")).items():
        by_epoch = group_by(finite([line for line in lines if line["score"] == "fm"]), "epoch")
        for epoch, members in by_epoch.items():
            f1 = sorted(line["f1"] for line in members)
            cells = (f"{f1[0]:.3f}", f"{median(f1):.3f}", f"{f1[-1]:.3f}")
            rows.append((protocol, epoch, spread(f1), *cells, spread([line["auroc"] for line in members])))
    return markdown(("protocol", "epoch", "F1", "lowest", "median", "highest", "AUROC"), rows)


def kdd99_methods(folder: Path = FOLDER) -> str:
    """Return the paper's KDD99 table: published precision, recall and F1 beside F1 by the papers' recipes and defaults."""
    found: dict[tuple[str, str], str] = {}
    for detector in ("egbad", "anogan"):
        for protocol, lines in by_protocol(member_lines("kdd99", folder, detector)).items():
            for score, members in group_by(finite(last_epoch(lines)), "score").items():
                found[f"{detector}-{score}", protocol] = runs([line["f1"] for line in members], reached(members))
    for (label, protocol), lines in group_by(baseline_lines("kdd99", folder), "label", "protocol").items():
        found[label, protocol] = runs([line["f1"] for line in lines])
    defaults = {
        label: [flat_metrics(line["metrics"])["f1"] for line in lines]
        for label, lines in group_by(ok_lines(PAGES / "kdd99"), "label").items()
    }
    defaults |= {"anogan-sigma": [line["f1"] for line in read_lines(RESULTS / "detectors_kdd99.jsonl")]}
    rows = []
    for title, label, own in METHODS:
        figure = PUBLISHED[label]
        # The recipes of the GANs scale to [0, 1] and take no logarithm by themselves: both protocols are one task.
        found.setdefault((own, "clean"), "as `paper`" if own.startswith(("egbad-", "anogan-")) else "not run")
        cells = [found.get((own, protocol), "not run") for protocol in PROTOCOLS]
        default = "" if own == "egbad-sigma_released" else runs(defaults.get(label, []))
        precision_and_recall = f"{figure.precision:.3f} / {figure.recall:.3f}"
        rows.append((title, precision_and_recall, published(figure), doubts(figure), *cells, default))
    head = ("method", "published precision / recall", "published F1", "doubts")
    return markdown((*head, *(f"F1, `{protocol}`" for protocol in PROTOCOLS), "F1, defaults, `clean`"), rows)


def runs(values: list[float], epochs: str = "") -> str:
    """Format mean, spread and number of runs, or that there are none, and the epochs if these are fewer than the paper's."""
    early = f", epoch {epochs}" if " of " in epochs else ""
    return f"{spread(values)} ({len(values)}{early})" if values else "not run"


def first_reached(steps: list[int], f1: list[float], goal: float) -> int | None:
    """Return the first step at which F1 reaches a goal for three evaluations in a row."""
    for i in range(len(f1) - IN_A_ROW + 1):
        if min(f1[i : i + IN_A_ROW]) >= goal:
            return steps[i]
    return None


def steps_to_published_f1() -> list[int | None]:
    """Return for each run of the released protocol the steps until F1 by sigma reaches the published value."""
    lines = [line for line in by_protocol(member_lines("kdd99"))["released"] if line["score"] == "sigma"]
    an_epoch = lines[0]["step"] // lines[0]["epoch"]
    goal = round(PUBLISHED["egbad-sigma"].value, 3)
    return [
        first_reached([line["epoch"] * an_epoch for line in own], [line["f1"] for line in own], goal)
        for own in group_by(lines, "member").values()
    ]


# -- MNIST -------------------------------------------------------------------------------------------------------------


def digit(line: Line) -> int:
    """Return the digit that is left out in the task of a line."""
    return int(line["task"].split()[1])


def published_digits(label: str) -> dict[int, PublishedFigure]:
    """Return the published figures of a method on MNIST by digit."""
    found = {d: published_figures(f"mnist, {d} left out") for d in DIGITS}
    return {d: figure for d, figures in found.items() for figure in figures if figure.label == label}


def default_on_mnist() -> dict[int, list[float]]:
    """Return the average precision of EGBAD's default by digit, one value a seed, from the page on MNIST."""
    lines = [line for line in ok_lines(PAGES / "mnist") if line["label"] == "egbad"]
    return {
        digit(own[0]): [line["metrics"]["average_precision"] for line in own]
        for own in group_by(lines, "task").values()
    }


def mnist_digits(folder: Path = FOLDER) -> str:
    """Return the paper's MNIST table: EGBAD by its recipe at the last epoch that was reached, by digit, protocol and score."""
    figures, default = published_digits("egbad-sigma"), default_on_mnist()
    rows: list[Sequence[object]] = []
    lines = member_lines("mnist", folder)
    for d, of_digit in sorted(group_by([line | {"digit": digit(line)} for line in lines], "digit").items()):
        for protocol, own in by_protocol(of_digit).items():
            for score, members in group_by(last_epoch(own), "score").items():
                known = finite(members)
                figure = figures.get(d) if score != "fm" else None
                rate = known[0]["base_rate"]
                cells = [spread([line[key] for line in known]) for key in ("average_precision", "trapezoid", "auroc")]
                paper = (published(figure), doubts(figure, rate))
                head = (d, protocol, f"{rate:.3f}", SCORES[score][0], len(known), reached(members))
                rows.append((*head, *cells, *paper, runs(default[d])))
    if missing := [str(d) for d in DIGITS if d not in {digit(line) for line in lines}]:
        rows.append((", ".join(missing), "not run", *[""] * 10))
    head = ("digit left out", "protocol", "base rate", "score", "runs", "epochs")
    metrics = ("average precision", "trapezoid", "AUROC")
    return markdown((*head, *metrics, "published", "doubts", "default recipe, `clean`"), rows)


# -- speed -------------------------------------------------------------------------------------------------------------


def speed() -> str:
    """Return the time of a row by EGBAD and by AnoGAN, and their ratio."""
    rows = []
    for line in read_lines(FOLDER / "speed.jsonl"):
        times = [f"{1e6 * line[name]:,.1f}" for name in ("egbad", "anogan")]
        rows.append((line["suite"], f"{line['rows']:,}", line["repeats"], *times, f"{line['ratio']:,.0f}"))
    head = ("networks", "rows", "repeats", "EGBAD, microseconds a row", "AnoGAN, microseconds a row", "AnoGAN / EGBAD")
    return markdown(head, rows)


# -- 5 against 7 -------------------------------------------------------------------------------------------------------


def five_seven() -> str:
    """Return the results of both recipes on the demo's digits, with the length of their training."""
    rows = []
    for line in read_lines(RESULTS / "five_seven.jsonl"):
        metrics = [f"{line[name]:.3f}" for name in ("auroc", "average_precision", "base_rate")]
        rows.append((line["recipe"], f"{line['epochs']:.0f}", f"{line['steps']:,}", *metrics))
    return markdown(("recipe", "epochs", "steps", "AUROC", "average precision", "base rate"), rows)


def demo() -> str:
    """Return the results of `egbad demo` by seed, and their means."""
    lines = read_lines(RESULTS / "demo.jsonl")
    names = ("auroc", "average_precision", "base_rate")
    rows = [(line["seed"], *(f"{line[name]:.3f}" for name in names)) for line in lines]
    means = [f"{mean(line[name] for line in lines):.3f}" for name in names]
    return markdown(("seed", "AUROC", "average precision", "base rate"), [*rows, ("mean", *means)])


TABLES = {
    "KDD99, ten runs": kdd99_members,
    "KDD99, ten runs by epoch": kdd99_epochs,
    "KDD99, the paper's table": kdd99_methods,
    "MNIST, the paper's recipe": mnist_digits,
    "the paper's speed": speed,
    "the demo": demo,
    "5 against 7, both recipes": five_seven,
}
