"""Figures that papers publish, with their source and remarks on their plausibility.

The figures come from the result tables of these papers:

- DAGMM: Zong et al., "Deep autoencoding Gaussian mixture model for unsupervised anomaly detection", ICLR 2018.
- EGBAD: Zenati et al., "Efficient GAN-based anomaly detection", 2018, arXiv:1802.06222.
- ALAD: Zenati et al., "Adversarially learned anomaly detection", ICDM 2018, arXiv:1812.02288.
- Deep SVDD: Ruff et al., "Deep one-class classification", ICML 2018.

`QUOTED` marks figures that a later paper repeats. `FROM_MEMORY` marks figures that were written down without a copy of
the paper at hand: pages show them as unverified. The spread of EGBAD's F1 by sigma is not repeated with its value, so it
is unverified as well.
"""

from dataclasses import dataclass

from egbad.scoring import metrics

QUOTED = "quoted by a later paper"
FROM_MEMORY = "from memory"

_DAGMM = "DAGMM, Zong et al. 2018"
_EGBAD = "EGBAD, Zenati et al. 2018"
_ALAD = "ALAD, Zenati et al. 2018"
_DEEP_SVDD = "Deep SVDD, Ruff et al. 2018"

_F1_TOLERANCE = 0.005  # rounding of published precision and recall
_RATIO_TOLERANCE = 0.01


@dataclass(frozen=True)
class PublishedFigure:
    """A figure of a paper.

    Parameters
    ----------
    task : str
        Name of the task in our tables.
    label : str
        Name of the detector in our tables, if it is there.
    metric : {"f1", "average_precision", "auroc"}
        "f1" follows the papers' rule that flags the top share of the test rows.
    value : float
        In [0, 1].
    spread : float or None
        Standard deviation, if the paper gives one.
    paper : str
        The paper that publishes the figure.
    source : str
        `QUOTED` or `FROM_MEMORY`.
    precision, recall : float, optional
        Published next to an F1.
    rule : tuple of float, optional
        The share of rows that the paper's rule flags, and the share of anomalies. Their quotient is recall / precision.
    spread_verified : bool, default=True
        False if the source repeats the value but not its spread.
    """

    task: str
    label: str
    metric: str
    value: float
    spread: float | None
    paper: str
    source: str
    precision: float | None = None
    recall: float | None = None
    rule: tuple[float, float] | None = None
    spread_verified: bool = True

    def remarks(self, base_rate: float | None) -> list[str]:
        """Return reasons to doubt the figure.

        Parameters
        ----------
        base_rate : float or None
            Share of anomalies among the test rows of the task, if known.

        Returns
        -------
        list of str
        """
        remarks = []
        if self.source == FROM_MEMORY:
            remarks.append("unverified")
        elif not self.spread_verified:
            remarks.append("spread unverified")
        if self.metric == "average_precision" and base_rate:
            minimum, chance = metrics.average_precision_bounds(base_rate)
            if self.value < minimum:
                remarks.append(f"impossible at this base rate: the worst ranking has {minimum:.3f}")
            elif self.value < chance:
                remarks.append(f"worse than chance ({chance:.3f})")
        if self.precision and self.recall:
            remarks += self._inconsistencies(self.precision, self.recall)
        return remarks

    def _inconsistencies(self, precision: float, recall: float) -> list[str]:
        """Compare the F1 with the published precision and recall, and these with the rule."""
        remarks = []
        f1 = 2 * precision * recall / (precision + recall)
        if abs(f1 - self.value) > _F1_TOLERANCE:
            remarks.append(f"its precision and recall give an F1 of {f1:.3f}")
        if self.rule and abs(recall / precision - self.rule[0] / self.rule[1]) > _RATIO_TOLERANCE:
            remarks.append(
                f"recall / precision is {recall / precision:.3f}, but flagging {self.rule[0]:.0%} gives "
                f"{self.rule[0] / self.rule[1]:.3f}: tied scores or another threshold"
            )
        return remarks


def _kdd99() -> list[PublishedFigure]:
    """Return F1, precision and recall on KDD99."""
    rows = [
        ("one_class_svm", 0.7954, None, _DAGMM, QUOTED, 0.7457, 0.8523),
        ("dsebm-r", 0.7328, None, _DAGMM, FROM_MEMORY, 0.8521, 0.6472),
        ("dsebm", 0.7399, None, _DAGMM, QUOTED, 0.8619, 0.6446),
        ("dagmm-nvi", 0.9368, None, _DAGMM, FROM_MEMORY, 0.9290, 0.9447),
        ("dagmm", 0.9369, None, _DAGMM, QUOTED, 0.9297, 0.9442),
        ("anogan", 0.8865, 0.0343, _EGBAD, FROM_MEMORY, 0.8786, 0.8297),
        ("anogan-sigma", 0.7852, 0.1181, _EGBAD, FROM_MEMORY, 0.7790, 0.7914),
        ("egbad", 0.9058, 0.0688, _EGBAD, FROM_MEMORY, 0.8698, 0.9523),
        ("egbad-sigma", 0.9372, 0.0440, _EGBAD, QUOTED, 0.9200, 0.9582),
        ("isolation_forest", 0.9294, None, _ALAD, FROM_MEMORY, 0.9216, 0.9373),
        ("alad", 0.9501, 0.0018, _ALAD, FROM_MEMORY, 0.9427, 0.9577),
    ]
    rule, unverified_spreads = (0.2, 97_278 / 494_021), {"egbad-sigma"}
    return [
        PublishedFigure(
            "kdd99", label, "f1", value, spread, paper, source, precision, recall, rule, label not in unverified_spreads
        )
        for label, value, spread, paper, source, precision, recall in rows
    ]


def _arrhythmia() -> list[PublishedFigure]:
    """Return F1, precision and recall on Arrhythmia."""
    rows = [
        ("one_class_svm", 0.4581, 0.5397, 0.4082),
        ("isolation_forest", 0.5303, 0.5147, 0.5469),
        ("dsebm-r", 0.1510, 0.1515, 0.1513),
        ("dsebm", 0.4601, 0.4667, 0.4565),
        ("dagmm", 0.4983, 0.4909, 0.5078),
        ("anogan", 0.4242, 0.4118, 0.4375),
        ("alad", 0.5152, 0.5000, 0.5313),
    ]
    return [
        PublishedFigure("arrhythmia", label, "f1", value, None, _ALAD, FROM_MEMORY, precision, recall)
        for label, value, precision, recall in rows
    ]


def _mnist_leave_one_out() -> list[PublishedFigure]:
    """Return average precision on MNIST with one digit as the anomaly."""
    egbad = {1: (0.287, 0.023), 4: (0.443, 0.029), 5: (0.514, 0.029), 7: (0.347, 0.017), 9: (0.307, 0.028)}
    vae = {1: 0.063, 4: 0.337, 5: 0.325, 7: 0.148, 9: 0.104}
    unverified_vae = {0: 0.517, 2: 0.644, 3: 0.251, 6: 0.432, 8: 0.499}
    rows: list[tuple[str, int, float, float | None, str]]
    rows = [("egbad-sigma", digit, value, spread, QUOTED) for digit, (value, spread) in egbad.items()]
    rows += [("vae", digit, value, None, QUOTED) for digit, value in vae.items()]
    rows += [("vae", digit, value, None, FROM_MEMORY) for digit, value in unverified_vae.items()]
    return [
        PublishedFigure(f"mnist, {digit} left out", label, "average_precision", value, spread, _EGBAD, source)
        for label, digit, value, spread, source in rows
    ]


def _mnist_one_normal() -> list[PublishedFigure]:
    """Return AUROC on MNIST with one normal digit."""
    rows = {
        "anogan": (96.6, 99.2, 85.0, 88.7, 89.4, 88.3, 94.7, 93.5, 84.9, 92.4),
        "Deep SVDD": (98.0, 99.7, 91.7, 91.9, 94.9, 88.5, 98.3, 94.6, 93.9, 96.5),
    }
    return [
        PublishedFigure(f"mnist, {digit} normal", label, "auroc", value / 100, None, _DEEP_SVDD, QUOTED)
        for label, values in rows.items()
        for digit, value in enumerate(values)
    ]


def _cifar10_one_normal() -> list[PublishedFigure]:
    """Return AUROC on CIFAR-10 with one normal class."""
    values = (67.1, 54.7, 52.9, 54.5, 65.1, 60.3, 58.5, 62.5, 75.8, 66.5)
    return [
        PublishedFigure(f"cifar10, {c} normal", "anogan", "auroc", value / 100, None, _DEEP_SVDD, QUOTED)
        for c, value in enumerate(values)
    ]


FIGURES = (*_kdd99(), *_arrhythmia(), *_mnist_leave_one_out(), *_mnist_one_normal(), *_cifar10_one_normal())


def published_figures(task: str) -> list[PublishedFigure]:
    """Return the published figures of a task.

    Parameters
    ----------
    task : str
        Name of the task.

    Returns
    -------
    list of PublishedFigure
    """
    return [figure for figure in FIGURES if figure.task == task]
