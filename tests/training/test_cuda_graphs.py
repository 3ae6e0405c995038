"""Updates captured as CUDA graphs. Without a GPU only the eager calls before the capture are tested."""

import warnings

import numpy as np
import pytest
import torch
from torch import nn

from egbad.detectors.base import TorchDetector
from egbad.detectors.registry import all_detectors
from egbad.nn.generators import MemberGenerators
from egbad.training import updates
from egbad.training.cuda_graphs import CudaGraphStep
from egbad.training.loop import TrainingLoop
from egbad.training.players import Player, Schedule

on_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
TRAINED = sorted(name for name, kind in all_detectors().items() if issubclass(kind, TorchDetector))


def quick_fit(name, shape):
    """Fit a detector of two members in few steps on random rows or images of a shape."""
    options = {"training__steps": 40, "encoder_steps": 40, "search_steps": 3, "n_starts": 2, "members": 2}
    detector = all_detectors()[name](random_state=0, alpha=0.05)
    known = detector.get_params()
    detector.set_params(**{option: value for option, value in options.items() if option in known})
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 3)) @ rng.normal(size=(3, int(np.prod(shape))))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return detector.fit(x.reshape(-1, *shape))


def test_the_first_calls_run_eagerly():
    batches = []
    step = CudaGraphStep(batches.append, torch.Generator())
    for value in range(3):
        step(torch.full((1, 2), value))
    assert [batch[0, 0].item() for batch in batches] == [0, 1, 2] and step.graph is None


@on_gpu
@pytest.mark.parametrize("shape", [(12,), (16, 16)])
@pytest.mark.parametrize("name", TRAINED)
def test_a_replayed_update_equals_an_eager_one(name, shape, monkeypatch):
    replayed = quick_fit(name, shape)
    monkeypatch.setattr(updates, "CudaGraphStep", lambda update, generator: update)
    eager = quick_fit(name, shape)
    for curve in eager.history_:
        np.testing.assert_allclose(replayed.history_[curve], eager.history_[curve], rtol=1e-3, atol=1e-4)


@on_gpu
def test_a_member_slowed_down_after_the_capture_is_slow_in_the_next_graph():
    generators = MemberGenerators([0, 1], "cuda")
    model = nn.Module()
    model.weight = nn.Parameter(torch.zeros(2, 1, device="cuda"))
    model.symptoms = lambda x: {}
    player = Player("a", [model.weight], lambda x: ((model.weight - 1) ** 2).sum(1))
    schedule = Schedule(steps=40, batch_size=8, learning_rate=0.01, ema_decay=0)
    with generators.on_device():
        loop = TrainingLoop(model, (player,), torch.zeros(40, 1, device="cuda"), schedule, generators)
        for _ in range(10):
            loop.step()
        loop.optimizers[0].slow_down(1, 0)
        before = model.weight.detach().clone()
        for _ in range(10):
            loop.step()
    assert model.weight[0] > before[0] and model.weight[1] == before[1]
