"""Means and spreads over the members of a fitted ensemble."""

import numpy as np
import pytest

from egbad import EGBAD
from egbad.detectors.base.batching import ModelRunner
from egbad.detectors.base.ensemble_scores import (
    find_tied_members,
    mean_attribution,
    mean_loss,
    mean_reconstruction,
    mean_terms,
    member_terms,
)
from egbad.training import EarlyStopping, TrainingConfig


@pytest.fixture(scope="module")
def ensemble():
    """The model of a fitted detector with three members, and encoded rows."""
    x = np.random.default_rng(0).normal(size=(300, 5))
    detector = EGBAD(
        training=TrainingConfig(steps=10),
        early_stopping=EarlyStopping(criterion="none"),
        members=3,
        alpha=0.05,
        random_state=0,
    ).fit(x)
    return ModelRunner(detector.model_, "cpu", "float32"), detector.encoder_.encode(x[:70])


def scores_of(runner, x):
    """Scores of each member (K, n)."""
    return np.concatenate([sum(terms.values()).numpy() for terms in runner.terms(x)], axis=1)


def test_mean_terms_add_up_to_the_mean_score_of_the_members(ensemble):
    terms = mean_terms(*ensemble)
    np.testing.assert_allclose(sum(terms.values()), scores_of(*ensemble).mean(0), rtol=1e-6)


def test_terms_of_the_members_add_up_to_their_scores(ensemble):
    terms = member_terms(*ensemble)
    np.testing.assert_array_equal(sum(terms.values()), scores_of(*ensemble))


def test_attributions_add_up_to_the_mean_score(ensemble):
    found = mean_attribution(*ensemble)
    np.testing.assert_allclose(found.base + found.shares.sum(1), scores_of(*ensemble).mean(0), rtol=1e-6)
    np.testing.assert_allclose(found.spread, scores_of(*ensemble).std(0, ddof=1), rtol=1e-6)
    np.testing.assert_allclose(found.expected, mean_reconstruction(*ensemble), rtol=1e-5, atol=1e-6)


def test_the_validation_loss_is_the_mean_over_rows_for_each_member(ensemble):
    runner, x = ensemble
    whole = mean_loss(runner, x)
    first, rest = mean_loss(runner, x[:30]), mean_loss(runner, x[30:])
    assert whole.shape == (3,)
    np.testing.assert_allclose(whole.detach(), ((30 * first + 40 * rest) / 70).detach(), rtol=1e-5)


def test_members_of_a_trained_model_are_not_tied(ensemble):
    assert find_tied_members(*ensemble) == []


def test_too_few_rows_show_nothing_about_ties(ensemble):
    runner, x = ensemble
    assert find_tied_members(runner, x[:5]) == []
