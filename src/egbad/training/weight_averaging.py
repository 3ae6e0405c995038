"""TODO."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from egbad.training.early_stopping import Trainable


class _Averages:
    """Moving averages of weights, which can take their place."""

    def __init__(self, weights: list[nn.Parameter]) -> None:
        self.weights = weights
        self.values = [p.detach().clone() for p in weights]

    def update(self, decay: float) -> None:
        """Move towards the weights as they are."""
        torch._foreach_lerp_(self.values, [p.detach() for p in self.weights], 1 - decay)

    def swap(self) -> None:
        """Exchange the weights with their averages, in place."""
        with torch.no_grad():
            for weight, average in zip(self.weights, self.values, strict=True):
                weight_now = weight.clone()
                weight.copy_(average)
                average.copy_(weight_now)

    @contextmanager
    def shown(self, model: Trainable) -> Iterator[None]:
        """Let the model be for a while as it would be if training ended here."""
        self.swap()
        model.eval()
        yield
        model.train()
        self.swap()
