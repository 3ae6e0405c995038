"""The loop: turns stay apart, members stay alone, averages and schedules are what they say."""

import pytest
import torch
from torch import nn

from egbad.nn.generators import MemberGenerators
from egbad.nn.layers import Linear
from egbad.training.early_stopping import BestWeights
from egbad.training.health import NON_FINITE, Symptom
from egbad.training.health_monitor import MAX_INTERVENTIONS
from egbad.training.loop import train
from egbad.training.players import Batches, Player, Schedule

NEVER, SECOND = Symptom("it never is", ""), Symptom("it is the second", "")


class Line(nn.Module):
    """Two players that each pull one number to a goal."""

    def __init__(self, members=1):
        super().__init__()
        self.a = nn.Parameter(torch.zeros(members, 1))
        self.b = nn.Parameter(torch.zeros(members, 1))

    def players(self):
        return (
            Player("a", [self.a], lambda x: ((self.a - 1) ** 2 + 0 * self.b).sum(1)),
            Player("b", [self.b], lambda x: ((self.b - self.a - 1) ** 2).sum(1)),
        )

    def symptoms(self, x):
        return {NEVER: torch.zeros(len(self.a), dtype=bool), SECOND: torch.arange(len(self.a)) == 1}


class Regression(nn.Module):
    def __init__(self, generators):
        super().__init__()
        self.generators, self.layer = generators, Linear(generators, 4, 1)

    def players(self):
        return (Player("fit", [*self.parameters()], self.loss),)

    def loss(self, x):
        noisy = x + 0.1 * self.generators.normal(*x.shape[1:], per_row=True)
        return ((self.layer(noisy).squeeze(2) - x.sum(2)) ** 2).mean(1)

    def symptoms(self, x):
        return {}


ROWS = torch.randn(40, 4, generator=torch.Generator().manual_seed(0))


def test_each_turn_moves_its_own_parameters_to_their_goal():
    model = Line()
    train(
        model,
        model.players(),
        ROWS,
        Schedule(steps=400, batch_size=8, learning_rate=0.1, ema_decay=0),
        MemberGenerators([0]),
    )
    assert model.a.item() == pytest.approx(1, abs=0.02)
    assert model.b.item() == pytest.approx(2, abs=0.02)
    assert not model.training


def test_a_pace_of_nearly_zero_holds_a_player_still():
    model = Line()
    slow = model.players()[1]
    model.players = lambda: (Line.players(model)[0], Player("b", slow.params, slow.loss, lr_scale=1e-9))
    train(
        model,
        model.players(),
        ROWS,
        Schedule(steps=50, batch_size=8, learning_rate=0.1, ema_decay=0),
        MemberGenerators([0]),
    )
    assert abs(model.b.item()) < 1e-6 < model.a.item()


def test_a_member_ends_with_the_same_bits_alone_and_among_others():
    schedule = Schedule(steps=30, batch_size=8, learning_rate=0.05)
    among_draws, alone_draws = MemberGenerators([3, 5, 7]), MemberGenerators([5])
    among, alone = Regression(among_draws), Regression(alone_draws)
    train(among, among.players(), ROWS, schedule, among_draws)
    train(alone, alone.players(), ROWS, schedule, alone_draws)
    assert torch.equal(among.layer.weight[1], alone.layer.weight[0])


def test_the_kept_weights_are_the_moving_average():
    generators = MemberGenerators([0])
    schedule = Schedule(steps=3, batch_size=8, learning_rate=0.1, ema_decay=0.5, ema_warmup=False, decay_from=1.0)
    model, average, seen = Line(), 0.0, []

    def after_each_step(n):
        seen.append(model.a.item())

    train(model, model.players(), ROWS, schedule, generators, advance=after_each_step)
    for a in seen:
        average = 0.5 * average + 0.5 * a
    assert model.a.item() == pytest.approx(average, rel=1e-5)


def test_the_learning_rate_holds_then_falls_to_a_hundredth():
    schedule = Schedule(steps=100, batch_size=1, learning_rate=1.0, decay_from=0.5)
    assert schedule.learning_rate_at(49) == 1.0
    assert schedule.learning_rate_at(75) == pytest.approx(1 - 0.99 / 2)
    assert schedule.learning_rate_at(100) == pytest.approx(0.01)
    assert Schedule(steps=100, batch_size=1, learning_rate=1.0, decay_from=1.0).learning_rate_at(99) == 1.0


def test_a_pass_shows_every_row_once_and_members_differ_in_order():
    x = torch.arange(12.0)[:, None]
    stream = Batches(x, 4, MemberGenerators([0, 1]))
    passed = torch.cat([next(stream) for _ in range(3)], dim=1).squeeze(2)
    assert all(sorted(member.tolist()) == list(range(12)) for member in passed)
    assert passed[0].tolist() != passed[1].tolist()


class Breaking(Line):
    """Member 1's loss is no number at the given moves of the turn."""

    def __init__(self, at):
        super().__init__(members=2)
        self.at, self.moves = at, 0

    def players(self):
        return (Player("a", [self.a], self.loss),)

    def loss(self, x):
        self.moves += 1
        return ((self.a - 1) ** 2 * torch.tensor([[1.0], [float("nan") if self.moves in self.at else 1.0]])).sum(1)

    def symptoms(self, x):
        return {}


BRIEF = Schedule(steps=100, batch_size=8, learning_rate=0.1, ema_decay=0, decay_from=1.0)


def test_a_member_that_broke_down_once_goes_on_from_where_it_was_well():
    model, other = Breaking(at={42}), Breaking(at=())
    history = train(model, model.players(), ROWS, BRIEF, MemberGenerators([0, 1]))
    train(other, other.players(), ROWS, BRIEF, MemberGenerators([0, 1]))
    assert model.a[0] == other.a[0], "the other member does not notice"
    assert model.a[1].item() == pytest.approx(1, abs=0.1)
    (event,) = history.events
    assert (event.step, event.member) == (45, 1), "within an epoch of five steps"
    assert event.describe(2) == (
        "Step 45: a loss or a weight was not a finite number (member 1 of 2); it was rolled back to step 40 and its "
        "learning rate was halved."
    )
    assert history.symptoms == {} and torch.isfinite(history.losses[-1]).all()


def test_a_member_that_breaks_down_again_and_again_stays_where_it_was_well():
    model = Breaking(at=range(12, 1000))
    history = train(model, model.players(), ROWS, BRIEF, MemberGenerators([0, 1]))
    assert history.symptoms == {NON_FINITE: [1]}
    assert len(history.events) == MAX_INTERVENTIONS
    assert model.a[0].item() == pytest.approx(1, abs=0.01)
    assert 0.3 < model.a[1].item() < 0.9 and torch.isfinite(model.a).all()


def test_what_breaks_at_the_first_step_is_taken_back_to_the_start():
    model = Breaking(at={1, 2, 3})
    history = train(model, model.players(), ROWS, BRIEF, MemberGenerators([0, 1]))
    assert [event.action for event in history.events] == [
        "it was rolled back to step 0 and its learning rate was halved"
    ]
    assert model.a[1].item() == pytest.approx(1, abs=0.1)


class Ailing(Line):
    """Member 1 shows a symptom while its number lies between two others."""

    symptom = Symptom("it is ill", "Do something.", slowed_players=("a",))

    def symptoms(self, x):
        return {self.symptom: (self.a > 0.6).flatten() & (self.a < 1.2).flatten() & (torch.arange(len(self.a)) == 1)}


def test_a_sick_player_of_a_member_goes_on_more_slowly():
    model, well = Ailing(members=2), Line(members=2)
    history = train(model, model.players(), ROWS, BRIEF, MemberGenerators([0, 1]))
    train(well, well.players(), ROWS, BRIEF, MemberGenerators([0, 1]))
    assert {event.action for event in history.events} == {"the learning rate of a was halved"}
    assert 1 <= len(history.events) <= MAX_INTERVENTIONS and all(event.member == 1 for event in history.events)
    assert model.a[0] == well.a[0] and model.a[1] != well.a[1]


def test_what_was_never_otherwise_is_not_treated():
    model = Ailing(members=2)
    model.symptoms = lambda x: {Ailing.symptom: torch.tensor([False, True])}
    history = train(model, model.players(), ROWS, BRIEF, MemberGenerators([0, 1]))
    assert history.events == [] and history.symptoms == {Ailing.symptom: [1]}


def test_to_look_changes_nothing():
    model, other = Line(members=2), Line(members=2)
    generators = MemberGenerators([0, 1])

    def symptoms(x):
        generators.normal(7)  # as a generator draws to be looked at
        return {}

    model.symptoms = symptoms
    train(model, model.players(), ROWS, BRIEF, generators)
    other_draws = MemberGenerators([0, 1])
    train(other, other.players(), ROWS, BRIEF, other_draws)
    assert torch.equal(model.a, other.a)


def test_symptoms_name_the_members_that_show_them():
    model = Line(members=2)
    history = train(
        model, model.players(), ROWS, Schedule(steps=2, batch_size=8, learning_rate=0.1), MemberGenerators([0, 1])
    )
    assert history.symptoms == {SECOND: [1]}
    assert history.loss_curves()["a"].shape == (2, 2)


def test_zero_steps_leave_the_weights_as_they_were():
    model = Line()
    history = train(
        model, model.players(), ROWS, Schedule(steps=0, batch_size=8, learning_rate=0.1), MemberGenerators([0])
    )
    assert model.a.item() == 0
    assert history.loss_curves() == {}


def test_a_turn_of_several_moves_takes_several_steps():
    one, five = Line(), Line()
    for model, moves in ((one, 1), (five, 5)):
        turn = model.players()[0]
        schedule = Schedule(steps=3, batch_size=8, learning_rate=0.01, ema_decay=0, decay_from=1.0)
        train(model, (Player("a", turn.params, turn.loss, n_updates=moves),), ROWS, schedule, MemberGenerators([0]))
    assert five.a.item() == pytest.approx(5 * one.a.item(), rel=0.05)


def keeping(values, **options):
    """A model of two members, trained with a criterion that gives these values in turn -> what came of it."""
    model, seen = Line(members=2), []

    def criterion():
        seen.append(model.a.detach().clone().flatten())
        return torch.tensor(values[len(seen) - 1])

    schedule = Schedule(steps=len(values), batch_size=8, learning_rate=0.1, ema_decay=0, decay_from=1.0)
    keep = BestWeights(criterion, interval=1, **options)
    history = train(model, model.players(), ROWS, schedule, MemberGenerators([0, 1]), best_weights=keep)
    return model.a.flatten(), seen, [event for event in history.events if "validation loss" in event.symptom]


def test_the_best_weights_of_each_member_are_kept():
    # Member 0 is best at its second look, member 1 at its last.
    a, seen, events = keeping([[3.0, 3.0], [1.0, 2.0], [2.0, 1.0]])
    assert a[0] == seen[1][0] and a[1] == seen[2][1]
    (event,) = events
    assert event.describe(2) == (
        "Step 2: the validation loss was lowest and later rose by 100% (member 0 of 2); the weights of this step were kept."
    )


def test_training_ends_when_no_member_gets_better():
    a, seen, _ = keeping([[2.0, 3.0], [1.0, 2.0], [3.0, 1.0], [2.0, 3.0], [9.0, 9.0], [0.0, 0.0]], patience=2)
    assert len(seen) == 5, "member 0 is done after four looks, member 1 after five"
    assert a[0] == seen[1][0] and a[1] == seen[2][1]


def test_training_ends_when_too_little_is_gained():
    # A tenth over two looks: member 0 gains 5 percent over its second and third, member 1 goes on to its fifth.
    values = [[1.0, 1.0], [0.97, 0.9], [0.95, 0.8], [0.5, 0.79], [0.4, 0.78], [0.3, 0.1]]
    a, seen, _ = keeping(values, patience=2, min_gain=0.1)
    assert len(seen) == 5
    assert a[0] == seen[2][0] and a[1] == seen[4][1]


def test_a_member_that_is_done_stays_so_among_others():
    a, seen, _ = keeping([[1.0, 5.0], [2.0, 4.0], [0.5, 3.0], [0.5, 2.0]], patience=1)
    assert len(seen) == 4 and a[0] == seen[0][0], "alone it would not have seen its third look"
    assert a[1] == seen[3][1]
