"""TODO."""

from collections.abc import Callable

import torch
from torch import Tensor

_FIRST = 3  # moves that are made before one is recorded: libraries set themselves up, optimizers make their moments


class CudaGraphStep:
    """A move on a GPU that is recorded once as a CUDA graph, and played from then on: one launch instead of hundreds.

    Parameters
    ----------
    move : callable
        Of a batch, which has one shape in all calls. It changes tensors in place, at the same places each time, and does
        not wait for the GPU.
    generator : torch.Generator
        On the GPU: the only one that the move draws from.
    """

    def __init__(self, move: Callable[[Tensor], None], generator: torch.Generator) -> None:
        self.move, self.generator = move, generator
        self.made = 0
        self.graph: torch.cuda.CUDAGraph | None = None
        self.batch = torch.empty(0)

    def __call__(self, batch: Tensor) -> None:
        """Make the move on a batch."""
        if self.made < _FIRST:
            self.made += 1
            self.move(batch)
            return
        if self.graph is None:
            self._record(batch)
        self.batch.copy_(batch)
        self.graph.replay()  # type: ignore[union-attr]

    def _record(self, batch: Tensor) -> None:
        """Write down what a move launches: nothing is done."""
        self.batch, graph = batch.clone(), torch.cuda.CUDAGraph()
        graph.register_generator_state(self.generator)
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):  # other threads may do as they like meanwhile
            self.move(self.batch)
        torch.cuda.synchronize()  # to record resets what the generator's numbers are counted by, on a stream of its own
        self.graph = graph
