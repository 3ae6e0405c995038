"""Updates of one player."""

import pytest
import torch

from egbad.nn.generators import MemberGenerators
from egbad.training.players import Batches, Player, Schedule
from egbad.training.process_group import SINGLE_PROCESS
from egbad.training.updates import PlayerOptimizer


def optimizer_of(model, player, rows, **options):
    schedule = Schedule(steps=100, batch_size=8, learning_rate=0.1)
    generators = MemberGenerators(range(len(model.a)))
    return PlayerOptimizer(player, model, Batches(rows, 8, generators), schedule, generators, SINGLE_PROCESS)


def test_an_update_changes_only_the_players_own_parameters(two_players, rows):
    model = two_players()
    optimizer_of(model, model.players()[0], rows).step(0.1)
    assert model.a.item() != 0 and model.b.item() == 0
    assert model.b.grad is None


def test_the_scale_of_a_player_multiplies_the_learning_rate(two_players, rows):
    model = two_players()
    player = model.players()[0]
    slow = Player("a", player.params, player.loss, lr_scale=1e-9)
    optimizer_of(model, slow, rows).step(0.1)
    assert 0 < model.a.item() < 1e-9


def test_a_slowed_member_makes_a_share_of_its_updates_and_a_stopped_one_none(two_players, rows):
    model = two_players(members=4)
    optimizer = optimizer_of(model, model.players()[0], rows)
    for member, factor in ((1, 0.5), (2, 0.25), (3, 0)):
        optimizer.slow_down(member, factor)
    optimizer.step(0.1)
    full, half, quarter, none = model.a.flatten().tolist()
    assert half == pytest.approx(full / 2) and quarter == pytest.approx(full / 4) and none == 0


def test_values_that_are_not_finite_do_not_reach_a_stopped_member(two_players, rows):
    model = two_players(members=2, factor=lambda n: torch.tensor([[1.0], [float("nan")]]))
    optimizer = optimizer_of(model, model.players()[0], rows)
    optimizer.slow_down(1, 0)
    optimizer.step(0.1)
    assert model.a[0] > 0 and model.a[1] == 0


def test_losses_are_summed_as_the_mean_over_the_updates_of_a_step(two_players, rows):
    model = two_players()
    player = model.players()[0]
    optimizer = optimizer_of(model, Player("a", player.params, player.loss, n_updates=2), rows)
    optimizer.step(0.0)
    assert optimizer.loss_sums.item() == pytest.approx(1.0)


def test_an_optimizer_continues_from_a_saved_state(two_players, rows):
    model, other = two_players(members=2), two_players(members=2)
    optimizer, restored = (optimizer_of(m, m.players()[0], rows) for m in (model, other))
    optimizer.step(0.1)
    optimizer.slow_down(1, 0.5)
    optimizer.step(0.1)
    restored.load_state_dict({name: value.clone() for name, value in optimizer.state_dict().items()})
    with torch.no_grad():
        other.a.copy_(model.a)
    for o in (optimizer, restored):
        o.step(0.1)
    assert torch.equal(model.a, other.a)
    assert torch.equal(optimizer.loss_sums, restored.loss_sums)
