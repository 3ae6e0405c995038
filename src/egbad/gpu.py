"""What only a GPU needs: moves that are recorded once and played from then on, and how precise its products are."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from threading import Condition, local
from typing import Any, Literal

import torch
from torch import Tensor

from egbad.errors import InvalidInputError

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
            stack.enter_context(_products.are("ieee" if precision == "float32" else "tf32"))
        yield


def exact() -> bool:
    """Whether products on a GPU are made in single precision here."""
    return not torch.is_autocast_enabled("cuda") and torch.backends.cudnn.conv.fp32_precision == "ieee"  # type: ignore[attr-defined]


class _Products:
    """How precise products are on a GPU, which is the whole process's: threads that want the same share it, others wait."""

    def __init__(self) -> None:
        self.free = Condition()
        self.inside = 0  # threads
        self.wanted: str | None = None
        self.own = local()
        self.before: tuple[list[str], bool] = ([], False)

    @contextmanager
    def are(self, wanted: Literal["ieee", "tf32"]) -> Iterator[None]:
        """Let them be so, and the same ones give the same bits."""
        if outer := getattr(
            self.own, "wanted", None
        ):  # within what this thread asked for before: nobody else to wait for
            self._set(wanted)
            self.own.wanted = wanted
            try:
                yield
            finally:
                self._set(outer)
                self.own.wanted = outer
            return
        with self.free:
            self.free.wait_for(lambda: not self.inside or self.wanted == wanted)
            if not self.inside:
                self.wanted, self.before = wanted, self._now()
                self._set(wanted)
            self.inside += 1
        self.own.wanted = wanted
        try:
            yield
        finally:
            self.own.wanted = None
            with self.free:
                self.inside -= 1
                if not self.inside:
                    self._restore()
                    self.free.notify_all()

    def _now(self) -> tuple[list[str], bool]:
        return [place.fp32_precision for place in _places()], torch.backends.cudnn.deterministic

    def _set(self, wanted: str) -> None:
        for place in _places():
            place.fp32_precision = wanted
        torch.backends.cudnn.deterministic = True

    def _restore(self) -> None:
        for place, was in zip(_places(), self.before[0], strict=True):
            place.fp32_precision = was
        torch.backends.cudnn.deterministic = self.before[1]


def _places() -> tuple[Any, Any]:
    return torch.backends.cuda.matmul, torch.backends.cudnn.conv  # type: ignore[attr-defined]


_products = _Products()


def chosen(device: str) -> str:
    """The device that a parameter means.

    Raises
    ------
    InvalidInputError
        When torch doesn't know it, or this machine hasn't got it.
    """
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        found = torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise InvalidInputError(
            f"device must be one that torch knows, such as 'cpu' or 'cuda', or 'auto', got {device!r}."
        ) from error
    if found.type == "cuda" and not torch.cuda.is_available():
        raise InvalidInputError(
            f"device={device!r} needs CUDA, which this machine or this build of torch hasn't. Use 'cpu' or 'auto'."
        )
    return device
