"""The torch side of a method: `Model`, its members' networks, how they learn, and their score."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any, ClassVar, Generic, NamedTuple, Self

import torch
from torch import Tensor, nn

from egbad.detectors.base.settings import T
from egbad.errors import InvalidInputError
from egbad.nn.generators import MemberGenerators
from egbad.preprocessing.row_encoder import CENTRED_SCALINGS
from egbad.training.health import Symptom
from egbad.training.players import Player

NETWORK_INPUT_LIMIT = 8.0  # standard deviations: how far out networks see a column


class ModelAttribution(NamedTuple):
    """What a model says of x (K, B, ...): what each column or pixel adds to A(x), what was expected, and the terms (K, B)."""

    shares: Tensor
    expected: Tensor
    terms: dict[str, Tensor]


def total(terms: dict[str, Tensor]) -> Tensor:
    """A(x) (K, B), of its terms."""
    return torch.stack([*terms.values()]).sum(0)


class Model(nn.Module, Generic[T]):
    """K members of a method: networks, turns, score. Knows no data set, no optimizer, no epoch.

    Parameters
    ----------
    shape : tuple of int
        Of one encoded row (d,) or image (c, h, w).
    settings : TrainingSettings
        Every value decided.
    draws : Draws
        A generator per member.
    """

    scores_sequentially: ClassVar[bool] = (
        False  # whether scoring borrows the networks, so that no other chunk may meet them then
    )
    attribution_method: str = "gradients"  # of the methods that `egbad.explain.explanation.Explanation` has
    chunk_rows: int = 256  # how many are scored at once: a row's bits are the same in any place of a chunk
    chunk_images: int = 32
    gpu_chunks: ClassVar[int] = 128  # usual chunks that a GPU takes at once, shared by the members: bounds its memory
    # Chunks of other sizes, for few rows and for many, used where they give the same bits on the machine at hand.
    other_chunk_rows: ClassVar[tuple[int, ...]] = (4, 32, 512, 2048)
    other_chunk_images: ClassVar[tuple[int, ...]] = (1, 4, 128)

    def __init__(self, shape: tuple[int, ...], settings: T, generators: MemberGenerators) -> None:
        super().__init__()
        self.shape, self.settings, self.generators = shape, settings, generators
        self.clips = len(shape) == 1 and settings.preprocessing.scaling in CENTRED_SCALINGS

    def players(self) -> tuple[Player, ...]:
        """The players, in the order in which they move."""
        raise TypeError(f"{type(self).__name__} defines no turns.")

    def stages(self) -> tuple[tuple[Player, ...], ...]:
        """Players of each stage of training: most methods have one."""
        return (self.players(),)

    def score_terms(self, x: Tensor) -> dict[str, Tensor]:
        """x (K, B, ...) -> terms (K, B) which add up to A(x), higher is more anomalous."""
        raise TypeError(f"{type(self).__name__} defines no score_terms.")

    def prepare(self, x: Tensor) -> None:
        """Look at all training rows x (n, ...) once before training, at what is not learned by it."""

    def finalize(self, chunks: Iterator[Tensor]) -> None:
        """Do what is needed once after the loop, given all training rows in chunks (K, B, ...)."""

    def symptoms(self, x: Tensor) -> dict[Symptom, Tensor]:
        """What may be wrong -> (K,) bool, seen on a training batch x (K, B, ...), with the model in eval mode."""
        return {}

    def criterion(self, x: Tensor) -> Tensor:
        """How well normal rows x (K, B, ...) held out of training are known -> (K, B), lower is better. Uses no label."""
        raise InvalidInputError(f"{type(self).__name__} has no criterion to keep its best weights by: use keep='last'.")

    def reconstruct(self, x: Tensor) -> Tensor:
        """x (K, B, ...) -> what the members make of it (K, B, ...)."""
        raise TypeError(f"{type(self).__name__} does not reconstruct.")

    def attribute(self, x: Tensor) -> ModelAttribution:
        """What each column or pixel of x (K, B, ...) adds to A(x), and what was expected there.

        The gradient times the way from the reconstruction to x (Shrikumar et al., 2016, arXiv:1605.01713), made to add up: what
        it misses is shared out by size. A path of gradients (Sundararajan et al., 2017) says nearly the same, for as many scores.
        """
        point = x.clone().requires_grad_()
        with torch.enable_grad():
            terms = self.score_terms(point)
            (slope,) = torch.autograd.grad(total(terms).sum(), point)
        terms = {name: values.detach() for name, values in terms.items()}
        with torch.no_grad():
            expected = self.reconstruct(x)
            base = total(self.score_terms(expected))
        raw = (slope * (x - expected)).flatten(2)
        missed = (total(terms) - base - raw.sum(2)).unsqueeze(2)
        sizes = raw.abs() + 1e-12
        return ModelAttribution((raw + missed * sizes / sizes.sum(2, keepdim=True)).view_as(x), expected, terms)

    def split_members(self) -> list[Self]:
        """Each member as a model of its own, whose numbers are this one's: nothing is copied."""
        stacked = [*self.state_dict(keep_vars=True).values()]
        places = [values.data_ptr() for values in stacked]
        known: tuple[list[int], list[Self]] | None = self.__dict__.get("members_apart")
        if known is None or known[0] != places:
            # But those of the state, which are stacked, all that a model has belongs to every member.
            shared = {id(values): values for values in self.buffers()}
            members = []
            for k, generators in enumerate(self.generators.split_members()):
                own = {id(values): values.detach()[k : k + 1] for values in stacked}
                members.append(deepcopy(self, shared | own | {id(self.generators): generators}))
            known = self.__dict__["members_apart"] = places, members
        return known[1]

    def __getstate__(self) -> dict[str, Any]:
        own = vars(self).copy()
        own.pop("members_apart", None)  # found again when they are asked for
        return own

    def preprocess(self, x: Tensor) -> Tensor:
        """What networks see of x (K, B, ...): standardised columns only so far out, or one would decide alone."""
        return x.clamp(-NETWORK_INPUT_LIMIT, NETWORK_INPUT_LIMIT) if self.clips else x
