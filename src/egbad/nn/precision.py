"""Devices, and the precision of matrix products and convolutions."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from threading import Condition, local
from typing import Any, Literal

import torch

from egbad.errors import InvalidInputError

Precision = Literal["float32", "tf32", "bf16"]


@contextmanager
def matmul_precision(precision: Precision, device: str) -> Iterator[None]:
    """Set the precision of products on a device, and make them deterministic.

    By default torch computes convolutions in TF32 on a GPU, and matrix products in float32. The former setting is
    restored at the end.

    Parameters
    ----------
    precision : {"float32", "tf32", "bf16"}
    device : str
    """
    kind = torch.device(device).type
    with ExitStack() as stack:
        if precision == "bf16" or torch.is_autocast_enabled(kind):
            # A CUDA graph cannot use casts that were cached before it was captured.
            half = torch.autocast(kind, torch.bfloat16, enabled=precision == "bf16", cache_enabled=False)
            stack.enter_context(half)
        if kind == "cuda":
            stack.enter_context(_gpu_precision.set_to("ieee" if precision == "float32" else "tf32"))
        yield


def is_float32() -> bool:
    """Return True if products on a GPU are computed in single precision here."""
    return not torch.is_autocast_enabled("cuda") and torch.backends.cudnn.conv.fp32_precision == "ieee"  # type: ignore[attr-defined]


class _GPUPrecision:
    """Precision of products on a GPU.

    It is a setting of the whole process: threads that need the same precision share it, others wait.
    """

    def __init__(self) -> None:
        self.free = Condition()
        self.n_threads = 0  # that use the setting now
        self.wanted: str | None = None
        self.own = local()
        self.saved: tuple[list[str], bool] = ([], False)

    @contextmanager
    def set_to(self, wanted: Literal["ieee", "tf32"]) -> Iterator[None]:
        """Set the precision, and make products deterministic."""
        if outer := getattr(self.own, "wanted", None):  # nested: this thread holds the setting already
            self._set(wanted)
            self.own.wanted = wanted
            try:
                yield
            finally:
                self._set(outer)
                self.own.wanted = outer
            return
        with self.free:
            self.free.wait_for(lambda: not self.n_threads or self.wanted == wanted)
            if not self.n_threads:
                self.wanted, self.saved = wanted, self._now()
                self._set(wanted)
            self.n_threads += 1
        self.own.wanted = wanted
        try:
            yield
        finally:
            self.own.wanted = None
            with self.free:
                self.n_threads -= 1
                if not self.n_threads:
                    self._restore()
                    self.free.notify_all()

    def _now(self) -> tuple[list[str], bool]:
        return [setting.fp32_precision for setting in _settings()], torch.backends.cudnn.deterministic

    def _set(self, wanted: str) -> None:
        for setting in _settings():
            setting.fp32_precision = wanted
        torch.backends.cudnn.deterministic = True

    def _restore(self) -> None:
        for setting, was in zip(_settings(), self.saved[0], strict=True):
            setting.fp32_precision = was
        torch.backends.cudnn.deterministic = self.saved[1]


def _settings() -> tuple[Any, Any]:
    return torch.backends.cuda.matmul, torch.backends.cudnn.conv  # type: ignore[attr-defined]


_gpu_precision = _GPUPrecision()


def resolve_device(device: str) -> str:
    """Return the device that a `device` parameter refers to.

    Parameters
    ----------
    device : str
        "auto" is the GPU where there is one, otherwise the CPU.

    Returns
    -------
    str

    Raises
    ------
    InvalidInputError
        If torch does not know the device, or this machine does not have it.
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
            f"device={device!r} needs CUDA, which this machine or this build of torch does not have. Use 'cpu' or 'auto'."
        )
    return device
