"""Chance: every member's numbers from its own generator, so that it is the same alone and among others."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor


class MemberGenerators:
    """One random generator per member; what is drawn is stacked along the first axis.

    Parameters
    ----------
    seeds : sequence of int
        One seed per member. The global generator is neither read nor set.
    device : torch.device or str
        Where the numbers are wanted. They are drawn on the CPU, so that they do not depend on the device, but for those
        that are drawn `on_device`.
    """

    def __init__(self, seeds: Sequence[int], device: torch.device | str = "cpu") -> None:
        self.seeds = tuple(int(seed) for seed in seeds)
        self.device = torch.device(device)
        self._per_member = [torch.Generator().manual_seed(seed) for seed in self.seeds]
        self.common: torch.Generator | None = None  # of all members, while numbers are drawn on the device
        self.part: tuple[slice, int] | None = None  # of how many rows which are wanted, while others want the rest

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
        """Let numbers be drawn that change none of those drawn later."""
        states = [generator.get_state() for generator in self.in_use()]
        yield
        for generator, state in zip(self.in_use(), states, strict=True):
            generator.set_state(state)

    @contextmanager
    def part_of(self, part: slice, n: int) -> Iterator[None]:
        """Let what is drawn for as many rows as `part` has be that part of what is drawn for n rows."""
        self.part = (part, n) if part.stop - part.start < n else None
        yield
        self.part = None

    @contextmanager
    def on_device(self) -> Iterator[None]:
        """Let numbers be drawn on the device itself: a GPU would wait for the CPU's most of the time.

        All members' come from one generator there, so that a member is another one alone than it is among others.
        """
        if self.device.type == "cpu":
            yield
            return
        ours = [int(torch.randint(2**31, (), generator=generator)) for generator in self._per_member]
        seed = int(np.random.SeedSequence(ours).generate_state(1)[0])
        self.common = torch.Generator(self.device).manual_seed(seed)
        try:
            yield
        finally:
            self.common = None

    def in_use(self) -> list[torch.Generator]:
        """All generators that numbers may come from now."""
        return self._per_member if self.common is None else [*self._per_member, self.common]

    def split_members(self) -> list["MemberGenerators"]:
        """Each member's generator, this very one, as if it were alone: for draws whose number differs by member."""
        alone = []
        for seed, generator in zip(self.seeds, self._per_member, strict=True):
            one = MemberGenerators([seed], self.device)
            one._per_member = [generator]
            alone.append(one)
        return alone

    def normal(self, *shape: int) -> Tensor:
        """Standard normal numbers -> (K, *shape)."""
        return self._drawn(torch.randn, shape)

    def uniform(self, *shape: int) -> Tensor:
        """Numbers from U[0, 1) -> (K, *shape)."""
        return self._drawn(torch.rand, shape)

    def _drawn(self, draw: Callable[..., Tensor], shape: tuple[int, ...]) -> Tensor:
        if self.part is not None and shape[0] == self.part[0].stop - self.part[0].start:
            part, n = self.part
            self.part = None
            whole = self._drawn(draw, (n, *shape[1:]))
            self.part = (part, n)
            return whole[:, part]
        if self.common is not None:
            return draw((len(self), *shape), generator=self.common, device=self.device)
        return torch.stack([draw(shape, generator=g) for g in self._per_member]).to(self.device)

    def permutations(self, n: int) -> Tensor:
        """One order of n rows per member -> (K, n), where numbers are drawn."""
        if self.common is not None:
            return self.uniform(n).argsort(1)
        return torch.stack([torch.randperm(n, generator=g) for g in self._per_member])
