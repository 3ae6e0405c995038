"""Moving averages of weights."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from egbad.training.players import Trainable


class WeightAverages:
    """Exponential moving averages of parameters.

    Parameters
    ----------
    params : list of nn.Parameter
        Parameters to average. The averages start at their present values.

    Attributes
    ----------
    values : list of Tensor
        Average of each parameter.
    """

    def __init__(self, params: list[nn.Parameter]) -> None:
        self.params = params
        self.values = [p.detach().clone() for p in params]

    def update(self, decay: float) -> None:
        """Move the averages towards the present parameters.

        Parameters
        ----------
        decay : float
            Weight of the old average, in [0, 1]; 0 copies the parameters.
        """
        update = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
        update(self.values, [p.detach() for p in self.params], None)

    def swap(self) -> None:
        """Exchange the parameters with their averages, in place."""
        with torch.no_grad():
            for param, average in zip(self.params, self.values, strict=True):
                previous = param.clone()
                param.copy_(average)
                average.copy_(previous)

    @contextmanager
    def applied(self, model: Trainable) -> Iterator[None]:
        """Give the model its averaged weights, in evaluation mode, inside a `with` block.

        Parameters
        ----------
        model : Trainable
            Model in training mode that holds the parameters.

        Yields
        ------
        None
        """
        self.swap()
        model.eval()
        try:
            yield
        finally:
            model.train()
            self.swap()
