"""Tests of `egbad.plot.losses`."""

import numpy as np
import pytest

from egbad import EGBAD
from egbad.errors import InvalidInputError
from egbad.plot import loss_curves


def legend(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_a_thick_line_is_the_mean_of_the_members(ax, egbad_images):
    loss_curves(egbad_images, health=(), ax=ax)
    history = egbad_images.history_
    lines = ax.get_lines()
    assert np.allclose(lines[0].get_ydata(), history["D"].mean(axis=1))
    assert np.allclose(lines[2].get_ydata(), history["D"][:, 1])
    assert np.allclose(lines[3].get_ydata(), history["EG"].mean(axis=1))
    assert len(lines) == 6 and legend(ax) == ["D", "EG"]


def test_a_mean_leaves_out_members_that_have_no_loss(ax):
    losses = np.array([[1.0, 3.0], [1.0, np.nan], [np.inf, np.nan]])
    loss_curves({"step": [1, 2, 3], "D": losses}, ax=ax)
    assert np.array_equal(ax.get_lines()[0].get_ydata(), [2.0, 1.0, np.nan], equal_nan=True)


def test_symptoms_are_lines_at_their_steps(ax):
    health = [
        "Step 1,000: the generator has collapsed (member 1 of 3); its learning rate was halved.",
        "Step 1,200: the generator has collapsed (member 0 of 3); it was rolled back to step 900.",
        "At the end rows that differ have the same score (members 0, 1 of 3). Fit with another random_state.",
    ]
    loss_curves({"step": [500, 1500], "D": [1.0, 0.5]}, health=health, ax=ax)
    assert [line.get_xdata()[0] for line in ax.get_lines()[1:]] == [1000, 1200, 1500]
    assert legend(ax) == [
        *("D", "the generator has collapsed (2 times)"),
        "at the end: rows that differ have the same score",
    ]


def test_many_kinds_of_symptoms_share_an_entry(ax):
    health = [f"Step {i}: symptom {i}." for i in range(10)]
    loss_curves({"step": [5, 10], "D": [1.0, 0.5]}, health=health, ax=ax)
    assert legend(ax)[-1] == "other symptoms, see health_ (4 times)" and len(legend(ax)) == 8


def test_players_are_chosen_by_name(ax, egbad_images):
    loss_curves(egbad_images, health=(), players=["EG"], ax=ax)
    assert legend(ax) == ["EG"]


def test_what_cannot_be_drawn_is_one_sentence(ax, knn):
    with pytest.raises(InvalidInputError, match=r"^loss_curves needs a fitted detector with history_, got KNN"):
        loss_curves(knn, ax=ax)
    with pytest.raises(InvalidInputError, match=r"^loss_curves needs a fitted detector with history_, got EGBAD"):
        loss_curves(EGBAD(), ax=ax)
    with pytest.raises(InvalidInputError, match=r"^history must be a fitted detector or its history_, .*, got list\.$"):
        loss_curves([1.0, 2.0], ax=ax)
    with pytest.raises(InvalidInputError, match=r"^history must have at least one record of losses, got none\."):
        loss_curves({}, ax=ax)
    with pytest.raises(InvalidInputError, match=r"^The loss of 'D' must have 2 records, one for each step, got shape"):
        loss_curves({"step": [1, 2], "D": [1.0]}, ax=ax)
    with pytest.raises(InvalidInputError, match=r"^There is no player 'G'\. Known: D\.$"):
        loss_curves({"step": [1], "D": [1.0]}, players=["G"], ax=ax)
