"""What only a GPU needs: moves that are recorded once and played from then on, and how precise its products are."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from threading import RLock
from typing import Literal

import torch
from torch import Tensor

Precision = Literal["float32", "tf32", "bf16"]

_FIRST = 3  # moves that are made before one is recorded: libraries set themselves up, optimizers make their moments


class Recorded:
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


@contextmanager
def precisely(precision: Precision, device: str) -> Iterator[None]:
    """Let products in here be as precise as this says, and the same ones give the same bits.

    torch by itself takes convolutions in TF32 on a GPU, and matrix products in float32.
    """
    kind = torch.device(device).type
    with ExitStack() as stack:
        if precision == "bf16" or torch.is_autocast_enabled(kind):
            # A graph can't look after casts that were made before it was recorded: they are made anew.
            half = torch.autocast(kind, torch.bfloat16, enabled=precision == "bf16", cache_enabled=False)
            stack.enter_context(half)
        if kind == "cuda":
            stack.enter_context(_on_gpu("ieee" if precision == "float32" else "tf32"))
        yield


_process_wide = RLock()


@contextmanager
def _on_gpu(products: Literal["ieee", "tf32"]) -> Iterator[None]:
    """What the whole process has on a GPU, set for a while by one thread at a time."""
    cudnn, places = torch.backends.cudnn, (torch.backends.cuda.matmul, torch.backends.cudnn.conv)  # type: ignore[attr-defined]
    with _process_wide:
        before, repeats = [place.fp32_precision for place in places], cudnn.deterministic
        for place in places:
            place.fp32_precision = products
        cudnn.deterministic = True
        try:
            yield
        finally:
            for place, was in zip(places, before, strict=True):
                place.fp32_precision = was
            cudnn.deterministic = repeats
