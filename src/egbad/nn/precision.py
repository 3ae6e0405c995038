"""What only a GPU needs: moves that are recorded once and played from then on, and how precise its products are."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from threading import Condition, local
from typing import Any, Literal

import torch

from egbad.errors import InvalidInputError

Precision = Literal["float32", "tf32", "bf16"]


@contextmanager
def matmul_precision(precision: Precision, device: str) -> Iterator[None]:
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


def is_float32() -> bool:
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


def resolve_device(device: str) -> str:
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
