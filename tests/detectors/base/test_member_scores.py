"""Scores of the single members of an ensemble."""

import numpy as np
import pytest

from egbad import EGBAD
from egbad.errors import InvalidInputError, LearnedRowsWarning
from egbad.training import EarlyStopping, TrainingConfig

X = np.random.default_rng(0).normal(size=(300, 5))


def fit(members):
    return EGBAD(
        training=TrainingConfig(steps=10),
        early_stopping=EarlyStopping(criterion="none"),
        members=members,
        alpha=0.05,
        random_state=0,
    ).fit(X)


@pytest.fixture(scope="module")
def ensemble():
    return fit(3)


def test_the_mean_of_the_members_terms_is_the_score_term(ensemble):
    new = X[:7] + 0.01
    terms = ensemble.score_terms(new)
    for name, values in ensemble.member_score_terms(new).items():
        np.testing.assert_allclose(terms[name], values.mean(0))


def test_the_spread_is_the_standard_deviation_of_the_members_scores(ensemble):
    new = X[:7] + 0.01
    scores = sum(ensemble.member_score_terms(new).values())
    assert scores.shape == (3, 7)
    np.testing.assert_allclose(ensemble.score_spread(new), scores.std(0, ddof=1))


def test_one_member_has_no_spread():
    with pytest.raises(InvalidInputError, match="needs at least two members, got members=1"):
        fit(1).score_spread(X[:2])


def test_training_rows_are_scored_with_a_warning(ensemble):
    with pytest.warns(LearnedRowsWarning):
        ensemble.score_spread(X)
