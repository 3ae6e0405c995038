"""Members that fail are slowed down, rolled back or stopped; healthy members do not notice."""

import pytest
import torch

from egbad.nn.generators import MemberGenerators
from egbad.training.health import NON_FINITE, Symptom
from egbad.training.health_monitor import MAX_INTERVENTIONS

SLOW_A = Symptom("it is unhealthy", "Do something.", slowed_players=("a",))


def nan_at(updates):
    """Member 1's loss is not finite at these updates."""
    return lambda n: torch.tensor([[1.0], [float("nan") if n in updates else 1.0]])


def unhealthy_between(model):
    """Member 1 is unhealthy while its number lies between 0.6 and 1.2."""
    between = (model.a > 0.6).flatten() & (model.a < 1.2).flatten()
    return {SLOW_A: between & (torch.arange(len(model.a)) == 1)}


def only_a(model):
    return model.players()[:1]


def test_a_member_whose_loss_is_not_finite_once_continues_from_its_last_good_state(two_players, fit):
    model, other = two_players(2, factor=nan_at({42})), two_players(2, factor=nan_at(()))
    history = fit(model, only_a(model))
    fit(other, only_a(other))
    assert model.a[0] == other.a[0], "the other member does not notice"
    assert model.a[1].item() == pytest.approx(1, abs=0.1)
    (event,) = history.events
    assert (event.step, event.member) == (45, 1), "within an epoch of five steps"
    assert event.describe(2) == (
        "Step 45: a loss or a weight was not a finite number (member 1 of 2); it was rolled back to step 40 and its "
        "learning rate was halved."
    )
    assert history.symptoms == {} and torch.isfinite(history.losses[-1]).all()


def test_a_member_that_keeps_failing_stops_in_its_last_good_state(two_players, fit):
    model = two_players(2, factor=nan_at(range(12, 1000)))
    history = fit(model, only_a(model))
    assert history.symptoms == {NON_FINITE: [1]}
    assert len(history.events) == MAX_INTERVENTIONS
    assert model.a[0].item() == pytest.approx(1, abs=0.01)
    assert 0.3 < model.a[1].item() < 0.9 and torch.isfinite(model.a).all()


def test_a_failure_at_the_first_step_rolls_back_to_the_start(two_players, fit):
    model = two_players(2, factor=nan_at({1, 2, 3}))
    history = fit(model, only_a(model))
    actions = [event.action for event in history.events]
    assert actions == ["it was rolled back to step 0 and its learning rate was halved"]
    assert model.a[1].item() == pytest.approx(1, abs=0.1)


def test_an_unhealthy_player_continues_more_slowly(two_players, fit):
    model, healthy = two_players(2, symptoms=unhealthy_between), two_players(2)
    history = fit(model)
    fit(healthy)
    assert {event.action for event in history.events} == {"the learning rate of a was halved"}
    assert 1 <= len(history.events) <= MAX_INTERVENTIONS and all(event.member == 1 for event in history.events)
    assert model.a[0] == healthy.a[0] and model.a[1] != healthy.a[1]


def test_without_interventions_a_symptom_is_reported_once_and_training_is_the_same(two_players, fit):
    model, healthy = two_players(2, symptoms=unhealthy_between), two_players(2)
    history = fit(model, health_interventions=False)
    fit(healthy)
    assert [(event.member, event.symptom, event.action) for event in history.events] == [(1, SLOW_A.description, "")]
    assert torch.equal(model.a, healthy.a) and torch.equal(model.b, healthy.b)


def test_without_interventions_a_member_that_is_not_finite_stays_so_and_is_named(two_players, fit):
    model, healthy = two_players(2, factor=nan_at({42})), two_players(2)
    history = fit(model, only_a(model), health_interventions=False)
    fit(healthy, only_a(healthy))
    assert history.symptoms == {NON_FINITE: [1]}
    assert [event.describe(2) for event in history.events] == [
        "Step 45: a loss or a weight was not a finite number (member 1 of 2)."
    ]
    assert torch.isnan(model.a[1]) and model.a[0] == healthy.a[0]


def test_a_symptom_present_since_the_first_check_leads_to_no_intervention(two_players, fit):
    model = two_players(2, symptoms=lambda model: {SLOW_A: torch.tensor([False, True])})
    history = fit(model)
    assert history.events == [] and history.symptoms == {SLOW_A: [1]}


def test_a_check_does_not_change_the_random_numbers_of_training(two_players, fit):
    generators = MemberGenerators([0, 1])

    def symptoms(model):
        generators.normal(7)  # as a check of a generator draws latent samples
        return {}

    model, other = two_players(2, symptoms=symptoms), two_players(2)
    fit(model, generators=generators)
    fit(other)
    assert torch.equal(model.a, other.a)


def test_final_symptoms_name_the_members_that_show_them(two_players, fit):
    never, second = Symptom("it never is", ""), Symptom("it is the second", "")

    def symptoms(model):
        return {never: torch.zeros(2, dtype=torch.bool), second: torch.arange(2) == 1}

    history = fit(two_players(2, symptoms=symptoms), steps=2)
    assert history.symptoms == {second: [1]}
