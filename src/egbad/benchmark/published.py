"""Figures that papers print, each with where it was read and what is doubtful about it."""

from dataclasses import dataclass

from egbad.scoring import metrics

QUOTED = "quoted by a later paper"
MEMORY = "from memory"  # of whoever wrote it down here: not checked against the paper


@dataclass(frozen=True)
class PublishedFigure:
    """One printed figure.

    Attributes
    ----------
    task : str
        As our tables call it.
    label : str
        The detector, as our tables call it where we have it.
    measure : str
        "f1" (of the papers' rule), "average_precision" or "auroc".
    value : float
        In [0, 1].
    spread : float, optional
        Standard deviation, where one is printed.
    paper : str
        Who printed it.
    source : str
        How it came here.
    precision, recall : float, optional
        Printed beside an F1.
    rule : (float, float), optional
        The share that the paper's rule flags and the share of anomalies that it has: recall / precision is their quotient.
    """

    task: str
    label: str
    measure: str
    value: float
    spread: float | None
    paper: str
    source: str
    precision: float | None = None
    recall: float | None = None
    rule: tuple[float, float] | None = None

    def doubts(self, base_rate: float | None) -> list[str]:
        """What speaks against it, given the share of anomalies in the task."""
        found = []
        if self.source == MEMORY:
            found.append("unverified")
        if self.measure == "average_precision" and base_rate:
            least, chance = metrics.average_precision_bounds(base_rate)
            if self.value < least:
                found.append(f"impossible at this base rate: no ranking is below {least:.3f}")
            elif self.value < chance:
                found.append(f"below chance, {chance:.3f}")
        if self.precision and self.recall:
            found += self._unlike_the_rule(self.precision, self.recall)
        return found

    def _unlike_the_rule(self, precision: float, recall: float) -> list[str]:
        found = []
        f1 = 2 * precision * recall / (precision + recall)
        if abs(f1 - self.value) > 0.005:
            found.append(f"its own precision and recall give {f1:.3f}")
        if self.rule and abs(recall / precision - self.rule[0] / self.rule[1]) > 0.01:
            found.append(
                f"recall / precision is {recall / precision:.3f}, where flagging {self.rule[0]:.0%} gives "
                f"{self.rule[0] / self.rule[1]:.3f}: tied scores, or another threshold"
            )
        return found


def _kdd99() -> list[PublishedFigure]:
    dagmm, egbad, alad = "DAGMM, Zong et al. 2018", "EGBAD, Zenati et al. 2018", "ALAD, Zenati et al. 2018"
    rows = [
        ("one_class_svm", 0.7954, None, dagmm, QUOTED, 0.7457, 0.8523),
        ("dsebm-r", 0.7328, None, dagmm, MEMORY, 0.8521, 0.6472),
        ("dsebm", 0.7399, None, dagmm, QUOTED, 0.8619, 0.6446),
        ("dagmm-nvi", 0.9368, None, dagmm, MEMORY, 0.9290, 0.9447),
        ("dagmm", 0.9369, None, dagmm, QUOTED, 0.9297, 0.9442),
        ("anogan", 0.8865, 0.0343, egbad, MEMORY, 0.8786, 0.8297),
        ("anogan-sigma", 0.7852, 0.1181, egbad, MEMORY, 0.7790, 0.7914),
        ("egbad", 0.9058, 0.0688, egbad, MEMORY, 0.8698, 0.9523),
        ("egbad-sigma", 0.9372, 0.0440, egbad, QUOTED, 0.9200, 0.9582),
        ("isolation_forest", 0.9294, None, alad, MEMORY, 0.9216, 0.9373),
        ("alad", 0.9501, 0.0018, alad, MEMORY, 0.9427, 0.9577),
    ]
    return [
        PublishedFigure(
            "kdd99", label, "f1", value, spread, paper, source, precision, recall, rule=(0.2, 97_278 / 494_021)
        )
        for label, value, spread, paper, source, precision, recall in rows
    ]


def _arrhythmia() -> list[PublishedFigure]:
    rows = [
        ("one_class_svm", 0.4581, 0.5397, 0.4082),
        ("isolation_forest", 0.5303, 0.5147, 0.5469),
        ("dsebm-r", 0.1510, 0.1515, 0.1513),
        ("dsebm", 0.4601, 0.4667, 0.4565),
        ("dagmm", 0.4983, 0.4909, 0.5078),
        ("anogan", 0.4242, 0.4118, 0.4375),
        ("alad", 0.5152, 0.5000, 0.5313),
    ]
    paper = "ALAD, Zenati et al. 2018"
    return [
        PublishedFigure("arrhythmia", label, "f1", value, None, paper, MEMORY, precision, recall)
        for label, value, precision, recall in rows
    ]


def _mnist() -> list[PublishedFigure]:
    egbad = {1: (0.287, 0.023), 4: (0.443, 0.029), 5: (0.514, 0.029), 7: (0.347, 0.017), 9: (0.307, 0.028)}
    vae = {1: 0.063, 4: 0.337, 5: 0.325, 7: 0.148, 9: 0.104}
    by = "EGBAD, Zenati et al. 2018"
    return [
        PublishedFigure(f"mnist, {digit} left out", "egbad-sigma", "average_precision", value, spread, by, QUOTED)
        for digit, (value, spread) in egbad.items()
    ] + [
        PublishedFigure(f"mnist, {digit} left out", "vae", "average_precision", value, None, by, QUOTED)
        for digit, value in vae.items()
    ]


def _mnist_one_normal() -> list[PublishedFigure]:
    rows = {
        "anogan": (96.6, 99.2, 85.0, 88.7, 89.4, 88.3, 94.7, 93.5, 84.9, 92.4),
        "Deep SVDD": (98.0, 99.7, 91.7, 91.9, 94.9, 88.5, 98.3, 94.6, 93.9, 96.5),
    }
    return [
        PublishedFigure(
            f"mnist, {digit} normal", label, "auroc", value / 100, None, "Deep SVDD, Ruff et al. 2018", QUOTED
        )
        for label, values in rows.items()
        for digit, value in enumerate(values)
    ]


def _cifar10() -> list[PublishedFigure]:
    values = (67.1, 54.7, 52.9, 54.5, 65.1, 60.3, 58.5, 62.5, 75.8, 66.5)
    return [
        PublishedFigure(f"cifar10, {c} normal", "anogan", "auroc", v / 100, None, "Deep SVDD, Ruff et al. 2018", QUOTED)
        for c, v in enumerate(values)
    ]


FIGURES = (*_kdd99(), *_arrhythmia(), *_mnist(), *_mnist_one_normal(), *_cifar10())


def of_task(task: str) -> list[PublishedFigure]:
    """What is printed about a task."""
    return [figure for figure in FIGURES if figure.task == task]
