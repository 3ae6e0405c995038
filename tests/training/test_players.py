"""Schedules and batches."""

import pytest
import torch

from egbad.nn.generators import MemberGenerators
from egbad.training.players import Batches, Schedule


def test_the_learning_rate_holds_then_falls_to_a_hundredth():
    schedule = Schedule(steps=100, batch_size=1, learning_rate=1.0, decay_from=0.5)
    assert schedule.learning_rate_at(49) == 1.0
    assert schedule.learning_rate_at(75) == pytest.approx(1 - 0.99 / 2)
    assert schedule.learning_rate_at(100) == pytest.approx(0.01)
    assert Schedule(steps=100, batch_size=1, learning_rate=1.0, decay_from=1.0).learning_rate_at(99) == 1.0


def test_a_warmed_up_average_forgets_the_first_weights():
    schedule = Schedule(steps=100, batch_size=1, learning_rate=1.0, ema_decay=0.9)
    assert schedule.ema_decay_at(0) == pytest.approx(0.1)
    assert schedule.ema_decay_at(1000) == 0.9
    assert Schedule(steps=1, batch_size=1, learning_rate=1.0, ema_decay=0.9, ema_warmup=False).ema_decay_at(0) == 0.9


def test_a_pass_visits_every_row_once_and_members_differ_in_order():
    x = torch.arange(12.0)[:, None]
    batches = Batches(x, 4, MemberGenerators([0, 1]))
    visited = torch.cat([next(batches) for _ in range(3)], dim=1).squeeze(2)
    assert all(sorted(member.tolist()) == list(range(12)) for member in visited)
    assert visited[0].tolist() != visited[1].tolist()


def test_batches_are_no_larger_than_the_data_and_can_be_divided():
    x, generators = torch.zeros(10, 1), MemberGenerators([0])
    assert Batches(x, 64, generators).batch_size == 10
    assert Batches(x, 64, generators, multiple_of=4).batch_size == 8
    assert Batches(x, 3, generators, multiple_of=4).batch_size == 4


def test_batches_continue_from_a_saved_state():
    x = torch.arange(12.0)[:, None]
    batches = Batches(x, 4, MemberGenerators([0]))
    next(batches)
    restored = Batches(x, 4, MemberGenerators([5]))
    restored.load_state_dict(batches.state_dict())
    assert torch.equal(next(restored), next(batches))
