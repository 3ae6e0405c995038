"""Tests of `egbad.plot.axes`, and of what all figures have in common."""

import subprocess
import sys

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

import egbad.plot
from egbad import plot
from egbad.errors import InvalidInputError, MissingExtraError
from tests.plot.contrast import contrast

rng = np.random.default_rng(0)
SCORES, LABELS = np.concatenate([rng.normal(size=80), rng.normal(2, 1, 20)]), np.repeat([False, True], [80, 20])
HEALTH = ("Step 10: the generator has collapsed; its learning rate was halved.",)
ROWS = rng.normal(size=(60, 3))
DRAWINGS = {
    "score_histogram": lambda knn, images, ax: plot.score_histogram(SCORES, knn, anomalous=LABELS, ax=ax),
    "p_value_calibration": lambda knn, images, ax: plot.p_value_calibration(knn, ROWS, ax=ax),
    "roc_curve": lambda knn, images, ax: plot.roc_curve(SCORES, LABELS, threshold=1.0, n_resamples=20, ax=ax),
    "precision_recall_curve": lambda knn, images, ax: plot.precision_recall_curve(
        SCORES, LABELS, threshold=1.0, n_resamples=20, ax=ax
    ),
    "loss_curves": lambda knn, images, ax: plot.loss_curves(images, health=HEALTH, ax=ax),
    "explanation_bars": lambda knn, images, ax: plot.explanation_bars(knn.explain([[0, 9, 0]]), ax=ax),
    "latent_scatter": lambda knn, images, ax: plot.latent_scatter(ROWS, labels=np.repeat([0, 1], 30), ax=ax),
    "drift_over_time": lambda knn, images, ax: plot.drift_over_time(knn, ROWS, ax=ax),
    "flagged over time": lambda knn, images, ax: plot.drift_over_time(knn, ROWS, statistic="flagged", ax=ax),
}
ALL = pytest.mark.parametrize("name", DRAWINGS)


@ALL
def test_text_and_lines_are_visible_in_light_and_dark_styles(name, knn, egbad_images, style):
    ax = DRAWINGS[name](knn, egbad_images, Figure().subplots())
    background = ax.get_facecolor()
    texts = [text for text in ax.findobj(Text) if text.get_text()]
    assert len(texts) > 3
    assert [t.get_text() for t in texts if contrast(t.get_color(), background) < 4.5] == []
    full = [line for line in ax.get_lines() if line.get_linewidth() >= 0.8 or line.get_marker() != "None"]
    assert [line.get_label() for line in full if contrast(line.get_color(), background) < 2] == []


@ALL
def test_every_figure_draws_on_the_axes_it_is_given_and_labels_them(name, knn, egbad_images, ax):
    before = dict(mpl.rcParams)
    assert DRAWINGS[name](knn, egbad_images, ax) is ax
    assert ax.get_xlabel() and ax.get_ylabel()
    ax.figure.canvas.draw()
    assert dict(mpl.rcParams) == before


@ALL
def test_something_else_than_axes_is_refused(name, knn, egbad_images):
    with pytest.raises(InvalidInputError, match=r"^ax must be Axes of matplotlib, got Figure\. Pass ax=figure"):
        DRAWINGS[name](knn, egbad_images, Figure())


@ALL
def test_without_axes_there_is_a_new_figure_of_pyplot(name, knn, egbad_images):
    plt = pytest.importorskip("matplotlib.pyplot")
    plt.switch_backend("agg")
    ax = DRAWINGS[name](knn, egbad_images, None)
    assert plt.fignum_exists(ax.figure.number)
    plt.close(ax.figure)


def test_axes_of_the_user_need_no_pyplot():
    code = (
        "import sys; from matplotlib.figure import Figure; from egbad.plot import score_histogram;"
        "score_histogram([1.0, 2.0], ax=Figure().subplots()); print('matplotlib.pyplot' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def test_importing_the_package_imports_no_matplotlib():
    code = "import sys, egbad.plot; print('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def test_a_missing_matplotlib_is_one_sentence_that_names_the_extra(monkeypatch):
    monkeypatch.setattr("egbad.errors.find_spec", lambda name: None)
    message = r"^A figure needs matplotlib, which is not installed\. Install it with: pip install 'egbad\[plot\]'$"
    with pytest.raises(MissingExtraError, match=message):
        plot.score_histogram([1.0, 2.0])
    with pytest.raises(MissingExtraError, match=message):
        plot.reconstruction_grid(np.zeros((2, 8, 8)), np.ones((2, 8, 8)))


def test_all_figures_have_a_test_here():
    others = {"heatmap", "reconstruction_grid"}
    assert {*egbad.plot.__all__} == {*DRAWINGS} - {"flagged over time"} | others
