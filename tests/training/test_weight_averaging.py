"""Moving averages of weights."""

import pytest
import torch
from torch import nn

from egbad.training.weight_averaging import WeightAverages


def test_averages_move_towards_the_weights():
    weight = nn.Parameter(torch.zeros(2, 3))
    averages = WeightAverages([weight])
    with torch.no_grad():
        weight.fill_(1.0)
    averages.update(0.75)
    assert torch.equal(averages.values[0], torch.full((2, 3), 0.25))
    averages.update(0.0)
    assert torch.equal(averages.values[0], torch.ones(2, 3))


def test_a_model_has_its_averaged_weights_inside_a_block(two_players):
    model = two_players()
    averages = WeightAverages([model.a])
    with torch.no_grad():
        model.a.fill_(1.0)
    with averages.applied(model):
        assert model.a.item() == 0 and not model.training
    assert model.a.item() == 1 and model.training


def test_an_error_inside_the_block_leaves_the_weights_in_place(two_players):
    model = two_players()
    averages = WeightAverages([model.a])
    with torch.no_grad():
        model.a.fill_(1.0)
    with pytest.raises(KeyError), averages.applied(model):
        raise KeyError
    assert model.a.item() == 1 and model.training and averages.values[0].item() == 0
