"""Symptoms, events and the search for tied scores."""

import numpy as np

from egbad.training.health import (
    NON_FINITE,
    Event,
    Symptom,
    describe_intervention,
    tie_probes,
    tied_members,
)


def test_an_event_is_one_sentence_that_names_the_member_of_an_ensemble():
    event = Event(1200, 0, "the generator has collapsed", "its learning rate was halved")
    assert event.describe(1) == "Step 1,200: the generator has collapsed; its learning rate was halved."
    assert event.describe(2) == "Step 1,200: the generator has collapsed (member 0 of 2); its learning rate was halved."
    assert Event(3, 0, "it is odd", "").describe(1) == "Step 3: it is odd."


def test_an_event_survives_as_json():
    event = Event(3, 1, "it is odd", "nothing was done")
    assert Event(**event.to_dict()) == event


def test_an_intervention_names_the_slowed_players_and_the_step_of_a_rollback():
    slow = Symptom("it is odd", "", slowed_players=("D", "G"))
    assert describe_intervention(slow, None) == "the learning rate of D and G was halved"
    assert (
        describe_intervention(NON_FINITE, 1000) == "it was rolled back to step 1,000 and its learning rate was halved"
    )


def test_probes_lie_near_different_rows_and_few_rows_give_none():
    x = np.random.default_rng(0).normal(size=(30, 2)).astype(np.float32)
    probes = tie_probes(np.concatenate([x, x]))
    assert probes.shape == (30, 2) and 0 < np.abs(probes - x).max() < 1
    assert tie_probes(np.concatenate([x[:19], x[:19]])) is None


def test_members_with_a_tenth_of_their_scores_tied_are_found():
    scores = np.tile(np.arange(100.0), (3, 1))
    scores[1, :12] = scores[1, 0]
    scores[2, :5] = scores[2, 0]
    assert tied_members(scores) == [1]
