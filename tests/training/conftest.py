"""A small model for the tests of the training loop."""

import pytest
import torch
from torch import nn

from egbad.nn.generators import MemberGenerators
from egbad.training.loop import train
from egbad.training.players import Player, Schedule


class TwoPlayers(nn.Module):
    """Two players that each pull one number to a goal: a to 1 and b to a + 1.

    Parameters
    ----------
    members : int
    factor : callable, optional
        Returns a factor of a's loss for each member (K, 1), given the number of updates of a so far.
    symptoms : callable, optional
        Returns the model's symptoms, given the model.
    """

    def __init__(self, members=1, factor=None, symptoms=None):
        super().__init__()
        self.a = nn.Parameter(torch.zeros(members, 1))
        self.b = nn.Parameter(torch.zeros(members, 1))
        self.factor, self._symptoms, self.n_updates = factor, symptoms, 0

    def players(self):
        return (
            Player("a", [self.a], self.loss_a),
            Player("b", [self.b], lambda x: ((self.b - self.a - 1) ** 2).sum(1)),
        )

    def loss_a(self, x):
        self.n_updates += 1
        factor = 1 if self.factor is None else self.factor(self.n_updates)
        return ((self.a - 1) ** 2 * factor + 0 * self.b).sum(1)

    def symptoms(self, x):
        return {} if self._symptoms is None else self._symptoms(self)


@pytest.fixture(scope="session")
def two_players():
    return TwoPlayers


@pytest.fixture(scope="session")
def rows():
    return torch.randn(40, 4, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="session")
def fit(rows):
    """A function that trains a model without averaging and returns its history."""

    def fit(model, players=None, *, steps=100, learning_rate=0.1, generators=None, seeds=None, **options):
        schedule = Schedule(
            steps=steps,
            batch_size=8,
            learning_rate=learning_rate,
            ema_decay=0,
            decay_from=options.pop("decay_from", 1.0),
            health_interventions=options.pop("health_interventions", True),
        )
        generators = generators or MemberGenerators(seeds or range(len(model.a)))
        return train(model, players or model.players(), rows, schedule, generators, **options)

    return fit
