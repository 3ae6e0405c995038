"""Tests of `egbad.backbones.frozen_module`."""

import numpy as np
import pytest
import torch
from torch import nn

from egbad.backbones.frozen_module import FrozenModule
from egbad.errors import InvalidEntryError


class Small(FrozenModule):
    def __init__(self, seed):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.linear, self.norm = nn.Linear(3, 2), nn.BatchNorm1d(2)
        self.freeze()


def test_weights_are_fixed():
    module = Small(0)
    assert not module.training and not module.train().training and not module.norm.training
    assert not any(weight.requires_grad for weight in module.parameters())


def test_loaded_weights_have_the_same_digest():
    one, other = Small(0), Small(1)
    assert one.sha256 != other.sha256
    arrays = one.arrays() | {"norm.num_batches_tracked": np.zeros(1, np.int64)}  # of shape (1,) in model files
    other.load_arrays(arrays)
    assert one.sha256 == other.sha256
    assert torch.equal(other.linear.weight, one.linear.weight) and not other.linear.weight.requires_grad


def test_loaded_weights_are_copied():
    module, arrays = Small(0), Small(1).arrays()
    module.load_arrays(arrays)
    digest = module.sha256
    arrays["linear.weight"][:] = 0
    assert module.sha256 == digest


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"linear.bias": np.zeros(3, np.float32)}, r"'linear.bias' must have shape \(2,\), got \(3,\)"),
        ({"linear.bias": np.full(2, np.nan, np.float32)}, "'linear.bias' must be finite"),
        ({"other": np.zeros(2)}, "'other' is not an array that such a model has"),
    ],
)
def test_weights_that_do_not_fit_are_refused(change, message):
    with pytest.raises(InvalidEntryError, match=message):
        Small(0).load_arrays(Small(0).arrays() | change)
