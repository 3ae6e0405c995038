"""The training loop: players are separate, members are independent, weights are averaged."""

import pytest
import torch
from torch import nn

from egbad.nn.generators import MemberGenerators
from egbad.nn.layers import Linear
from egbad.training.loop import TrainingLoop, train
from egbad.training.players import Player, Schedule


class Regression(nn.Module):
    """A linear layer that sums noisy rows."""

    def __init__(self, generators):
        super().__init__()
        self.generators, self.layer = generators, Linear(generators, 4, 1)

    def players(self):
        return (Player("fit", [*self.parameters()], self.loss),)

    def loss(self, x):
        noisy = x + 0.1 * self.generators.normal(*x.shape[1:])
        return ((self.layer(noisy).squeeze(2) - x.sum(2)) ** 2).mean(1)

    def symptoms(self, x):
        return {}


def test_each_player_moves_its_own_parameters_to_their_goal(two_players, fit):
    model = two_players()
    fit(model, steps=400, decay_from=0.5)
    assert model.a.item() == pytest.approx(1, abs=0.02)
    assert model.b.item() == pytest.approx(2, abs=0.02)
    assert not model.training


def test_a_learning_rate_of_nearly_zero_holds_a_player_still(two_players, fit):
    model = two_players()
    a, b = model.players()
    fit(model, (a, Player("b", b.params, b.loss, lr_scale=1e-9)), steps=50, decay_from=0.5)
    assert abs(model.b.item()) < 1e-6 < model.a.item()


def test_a_player_of_several_updates_takes_several_in_a_step(two_players, fit):
    one, five = two_players(), two_players()
    for model, n_updates in ((one, 1), (five, 5)):
        player = model.players()[0]
        fit(model, (Player("a", player.params, player.loss, n_updates=n_updates),), steps=3, learning_rate=0.01)
    assert five.a.item() == pytest.approx(5 * one.a.item(), rel=0.05)


def test_a_member_ends_with_the_same_bits_alone_and_among_others(rows):
    schedule = Schedule(steps=30, batch_size=8, learning_rate=0.05)
    three, one = MemberGenerators([3, 5, 7]), MemberGenerators([5])
    among, alone = Regression(three), Regression(one)
    train(among, among.players(), rows, schedule, three)
    train(alone, alone.players(), rows, schedule, one)
    assert torch.equal(among.layer.weight[1], alone.layer.weight[0])


def test_the_final_weights_are_the_moving_average(two_players, rows):
    schedule = Schedule(steps=3, batch_size=8, learning_rate=0.1, ema_decay=0.5, ema_warmup=False, decay_from=1.0)
    model, average, weights = two_players(), 0.0, []

    def advance(n_steps):
        weights.append(model.a.item())

    train(model, model.players(), rows, schedule, MemberGenerators([0]), advance=advance)
    for a in weights:
        average = 0.5 * average + 0.5 * a
    assert model.a.item() == pytest.approx(average, rel=1e-5)


def test_averages_can_be_applied_within_training_as_if_it_had_ended(two_players, fit):
    whole, short, seen = two_players(), two_players(), {}

    def watch(loop):
        with loop.averages.applied(whole):
            seen[loop.n_steps] = (whole.a.item(), whole.training)
        assert whole.training

    fit(whole, after_step=watch, steps=50)
    fit(short, steps=20)
    assert seen[20] == (short.a.item(), False)
    assert [*seen] == [*range(1, 51)]


def test_losses_are_recorded_for_each_player_and_member(two_players, fit):
    history = fit(two_players(members=2), steps=2)
    assert history.loss_curves()["a"].shape == (2, 2)


def test_zero_steps_leave_the_weights_unchanged(two_players, fit):
    model = two_players()
    history = fit(model, steps=0)
    assert model.a.item() == 0
    assert history.loss_curves() == {}


def test_a_loop_continues_from_a_saved_state_with_the_same_bits(two_players, rows):
    schedule = Schedule(steps=40, batch_size=8, learning_rate=0.1)

    def loop_of(model):
        return TrainingLoop(model, model.players(), rows, schedule, MemberGenerators([0, 1]))

    model, other = two_players(members=2), two_players(members=2)
    loop, restored = loop_of(model), loop_of(other)
    while not (loop.n_steps >= 10 and loop.health_is_due):
        loop.step()
    restored.load_state_dict({name: value.clone() for name, value in loop.state_dict().items()})
    for one in (loop, restored):
        while not one.finished:
            one.step()
    first, second = loop.finish(), restored.finish()
    assert torch.equal(model.a, other.a) and torch.equal(model.b, other.b)
    assert first.steps == second.steps and torch.equal(torch.stack(first.losses), torch.stack(second.losses))
