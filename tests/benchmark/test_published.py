"""Published figures and remarks on their plausibility."""

from egbad.benchmark.published import FIGURES, FROM_MEMORY, QUOTED, PublishedFigure, published_figures
from egbad.benchmark.suites import SUITES


def figure(value, source=QUOTED):
    return PublishedFigure("t", "vae", "average_precision", value, None, "p", source)


def test_figures_below_the_minimum_or_chance_are_remarked():
    assert figure(0.05, FROM_MEMORY).remarks(0.388) == [
        "unverified",
        "impossible at this base rate: the worst ranking has 0.225",
    ]
    assert figure(0.3).remarks(0.388) == ["worse than chance (0.388)"]
    assert figure(0.5).remarks(0.388) == figure(0.05).remarks(None) == []


def test_precision_and_recall_must_fit_the_f1_and_the_rule():
    by_label = {figure.label: figure for figure in published_figures("kdd99")}
    assert by_label["dagmm"].remarks(0.1969) == []
    assert "its precision and recall give an F1 of 0.853" in by_label["anogan"].remarks(0.1969)
    assert "recall / precision is 1.042" in by_label["egbad-sigma"].remarks(0.1969)[1]


def test_a_quoted_value_with_an_unverified_spread_says_so():
    by_label = {figure.label: figure for figure in published_figures("kdd99")}
    assert by_label["egbad-sigma"].remarks(None)[0] == "spread unverified"
    assert by_label["egbad"].remarks(None)[0] == "unverified"
    assert "spread unverified" not in by_label["dagmm"].remarks(None)


def test_every_figure_belongs_to_a_task_and_lies_between_zero_and_one():
    tasks = {"kdd99", "arrhythmia"}
    tasks |= {
        task.name for name in ("mnist", "mnist_one_normal", "cifar10") for task in SUITES[name].tasks("clean", None)
    }
    assert {figure.task for figure in FIGURES} <= tasks
    assert all(0 < figure.value < 1 and figure.source in (QUOTED, FROM_MEMORY) for figure in FIGURES)
