"""Training steps captured as CUDA graphs."""

from collections.abc import Callable

import torch
from torch import Tensor

_WARMUP_CALLS = 3  # eager calls before the capture: libraries initialise themselves, optimizers create their moments


class CudaGraphStep:
    """An update that is captured as a CUDA graph once and replayed from then on.

    A replay is one launch instead of hundreds, which is most of the time of small networks.

    Parameters
    ----------
    update : callable
        Takes a batch, which has the same shape in all calls. It changes tensors in place, at the same addresses in
        each call, and must not synchronise with the GPU.
    generator : torch.Generator
        CUDA generator; the only one that `update` draws from.
    """

    def __init__(self, update: Callable[[Tensor], None], generator: torch.Generator) -> None:
        self.update, self.generator = update, generator
        self.n_calls = 0
        self.graph: torch.cuda.CUDAGraph | None = None
        self.batch = torch.empty(0, dtype=torch.float32)

    def __call__(self, batch: Tensor) -> None:
        """Update on a batch.

        Parameters
        ----------
        batch : Tensor of shape (K, B, ...)
        """
        if self.n_calls < _WARMUP_CALLS:
            self.n_calls += 1
            self.update(batch)
            return
        graph = self._capture(batch) if self.graph is None else self.graph
        self.batch.copy_(batch)
        graph.replay()

    def _capture(self, batch: Tensor) -> torch.cuda.CUDAGraph:
        """Capture the kernels of one update without running them."""
        self.batch, graph = batch.clone(), torch.cuda.CUDAGraph()
        graph.register_generator_state(self.generator)
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):  # other threads may use the GPU meanwhile
            self.update(self.batch)
        torch.cuda.synchronize()  # the capture resets the generator's offset on a stream of its own
        self.graph = graph
        return graph
