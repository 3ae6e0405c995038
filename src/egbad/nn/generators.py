"""Random numbers of ensemble members.

Each member draws from its own generator, so a member trained in an ensemble gets the same numbers as one trained alone.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor


class MemberGenerators:
    """One random generator per ensemble member; draws are stacked along the first axis.

    The global generator of torch is neither read nor set.

    Parameters
    ----------
    seeds : sequence of int
        One seed per member.
    device : torch.device or str, default="cpu"
        Device of the drawn numbers. They are drawn on the CPU and copied, so they do not depend on the device, except
        within `on_device`.

    Attributes
    ----------
    device_generator : torch.Generator or None
        Generator on the device that all members share within `on_device`; None elsewhere.

    Examples
    --------
    >>> from egbad.nn.generators import MemberGenerators
    >>> MemberGenerators([0, 1]).normal(5, 3).shape
    torch.Size([2, 5, 3])
    """

    def __init__(self, seeds: Sequence[int], device: torch.device | str = "cpu") -> None:
        self.seeds = tuple(int(seed) for seed in seeds)
        self.device = torch.device(device)
        self.device_generator: torch.Generator | None = None
        self._per_member = [torch.Generator().manual_seed(seed) for seed in self.seeds]
        self._part: tuple[slice, int] | None = None  # this process's rows of a batch, and the rows of the whole batch

    def __len__(self) -> int:
        return len(self.seeds)

    def __getstate__(self) -> dict[str, Any]:
        states = [generator.get_state() for generator in self._per_member]
        return {"seeds": self.seeds, "device": str(self.device), "states": states}

    def __setstate__(self, state: dict[str, Any]) -> None:
        MemberGenerators.__init__(self, state["seeds"], state["device"])
        for generator, saved in zip(self._per_member, state["states"], strict=True):
            generator.set_state(saved)

    @contextmanager
    def fork_rng(self) -> Iterator[None]:
        """Restore the state of all generators on exit, so draws in this context do not change later ones."""
        generators = self.in_use()
        states = [generator.get_state() for generator in generators]
        try:
            yield
        finally:
            for generator, state in zip(generators, states, strict=True):
                generator.set_state(state)

    @contextmanager
    def batch_part(self, part: slice, n_rows: int) -> Iterator[None]:
        """Limit draws with `per_row=True` to this process's part of a batch.

        The numbers of the whole batch are drawn and the part is returned. All processes of a distributed fit thus draw
        the same numbers, and each uses those of its own rows.

        Parameters
        ----------
        part : slice
            Rows of the batch that this process has, with start and stop.
        n_rows : int
            Number of rows of the whole batch.
        """
        self._part = (part, n_rows)
        try:
            yield
        finally:
            self._part = None

    @contextmanager
    def on_device(self) -> Iterator[None]:
        """Draw numbers on the device itself: a GPU would spend most of its time waiting for the CPU's draws.

        All members share one generator there. A member's numbers then depend on the other members.
        """
        if self.device.type == "cpu":
            yield
            return
        words = [int(torch.randint(2**31, (), generator=generator)) for generator in self._per_member]
        seed = int(np.random.SeedSequence(words).generate_state(1)[0])
        self.device_generator = torch.Generator(self.device).manual_seed(seed)
        try:
            yield
        finally:
            self.device_generator = None

    def in_use(self) -> list[torch.Generator]:
        """Return all generators that draws may currently come from."""
        return self._per_member if self.device_generator is None else [*self._per_member, self.device_generator]

    def split_members(self) -> list["MemberGenerators"]:
        """Return one object per member that draws from that member's generator, for draws whose number differs by member."""
        alone = []
        for seed, generator in zip(self.seeds, self._per_member, strict=True):
            one = type(self)([seed], self.device)
            one._per_member = [generator]
            alone.append(one)
        return alone

    def normal(self, *shape: int, per_row: bool = False) -> Tensor:
        """Draw standard normal numbers.

        Parameters
        ----------
        *shape : int
            Shape of one member's numbers.
        per_row : bool, default=False
            Whether the first dimension of `shape` is the rows of a training batch, see `batch_part`.

        Returns
        -------
        Tensor of shape (K, *shape)
        """
        return self._draw(torch.randn, shape, per_row)

    def uniform(self, *shape: int, per_row: bool = False) -> Tensor:
        """Draw uniform numbers in [0, 1).

        Parameters
        ----------
        *shape : int
            Shape of one member's numbers.
        per_row : bool, default=False
            Whether the first dimension of `shape` is the rows of a training batch, see `batch_part`.

        Returns
        -------
        Tensor of shape (K, *shape)
        """
        return self._draw(torch.rand, shape, per_row)

    def draw_seeds(self) -> list[int]:
        """Draw a seed for each member, for code that draws from torch's global generator.

        Returns
        -------
        list of int
            Seeds of processes that share a batch differ, as their rows do.
        """
        offset = 0 if self._part is None else self._part[0].start
        return [offset + int(torch.randint(2**31, (), generator=generator)) for generator in self._per_member]

    def permutations(self, n: int) -> Tensor:
        """Draw one random order of n rows per member.

        Returns
        -------
        Tensor of shape (K, n) and type int64
        """
        if self.device_generator is not None:
            return self.uniform(n).argsort(1)
        return torch.stack([torch.randperm(n, generator=generator) for generator in self._per_member])

    def _draw(self, draw: Callable[..., Tensor], shape: tuple[int, ...], per_row: bool) -> Tensor:
        if not per_row or self._part is None:
            return self._draw_whole(draw, shape)
        part, n_rows = self._part
        if shape[0] != part.stop - part.start:
            raise ValueError(f"A draw per row must have {part.stop - part.start} rows, got shape {shape}.")
        return self._draw_whole(draw, (n_rows, *shape[1:]))[:, part]

    def _draw_whole(self, draw: Callable[..., Tensor], shape: tuple[int, ...]) -> Tensor:
        if self.device_generator is not None:
            return draw((len(self), *shape), generator=self.device_generator, device=self.device, dtype=torch.float32)
        return torch.stack(
            [draw(shape, generator=generator, dtype=torch.float32) for generator in self._per_member]
        ).to(self.device)


class ZeroGenerators(MemberGenerators):
    """Zeros in place of random numbers, for networks whose weights are loaded after they are built.

    Building a network with these costs no random numbers that the loaded weights would overwrite.
    """

    def draw_seeds(self) -> list[int]:
        """Return a zero for each member."""
        return [0] * len(self)

    def permutations(self, n: int) -> Tensor:
        """Return zeros of shape (K, n)."""
        return torch.zeros(len(self), n, dtype=torch.int64)

    def _draw_whole(self, draw: Callable[..., Tensor], shape: tuple[int, ...]) -> Tensor:
        return torch.zeros(len(self), *shape, device=self.device, dtype=torch.float32)
