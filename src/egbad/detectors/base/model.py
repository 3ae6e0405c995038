"""`Model`: the torch side of a method, with the networks of all members, their losses and their score."""

from collections.abc import Iterator
from typing import ClassVar, Generic, NamedTuple, Self

import torch
from torch import Tensor, nn

from egbad.detectors.base.settings import T
from egbad.errors import InvalidInputError
from egbad.nn.generators import MemberGenerators, ZeroGenerators
from egbad.preprocessing.row_encoder import CENTRED_SCALINGS
from egbad.training.health import Symptom
from egbad.training.players import Player


class ModelAttribution(NamedTuple):
    """Attribution of the scores of x (K, B, ...).

    Attributes
    ----------
    shares : Tensor of shape (K, B, ...)
        Part of the score that each column or pixel contributes.
    expected : Tensor of shape (K, B, ...)
        The normal input expected in place of x.
    terms : dict of str to Tensor of shape (K, B)
        Terms of the score.
    """

    shares: Tensor
    expected: Tensor
    terms: dict[str, Tensor]


def total(terms: dict[str, Tensor]) -> Tensor:
    """Return the score A(x), the sum of its terms.

    Parameters
    ----------
    terms : dict of str to Tensor of shape (K, B)

    Returns
    -------
    Tensor of shape (K, B)
    """
    return torch.stack([*terms.values()]).sum(0)


class Model(nn.Module, Generic[T]):
    """Networks of K members of a method, with their losses and their score.

    A model knows no data set, optimizer or epoch: `egbad.training` trains it, `TorchDetector` scores with it.

    Parameters
    ----------
    shape : tuple of int
        Shape of an encoded row (d,) or image (c, h, w).
    settings : TorchSettings
        Settings of the method.
    generators : MemberGenerators
        Random number generators, one per member.
    """

    attribution_method: str = "gradients"  # see `egbad.explain.explanation.Explanation.method`
    chunk_rows: int = 256  # rows per chunk; the bits of a row do not depend on its place in a chunk of fixed shape
    chunk_images: int = 32
    gpu_chunks: ClassVar[int] = 128  # chunks that a GPU scores together, divided by the members: bounds its memory
    # Other sizes of chunks, for few rows and for many. They are used where they give the same bits on this machine.
    other_chunk_rows: ClassVar[tuple[int, ...]] = (4, 32, 512, 2048)
    other_chunk_images: ClassVar[tuple[int, ...]] = (1, 4, 128)
    # Modules with buffers that may not hold all finite numbers have `value_limits`: the least and largest value by name.

    def __init__(self, shape: tuple[int, ...], settings: T, generators: MemberGenerators) -> None:
        super().__init__()
        self.shape, self.settings, self.generators = shape, settings, generators
        clips = len(shape) == 1 and settings.preprocessing.scaling in CENTRED_SCALINGS
        self.clip = settings.preprocessing.clip if clips else 0.0

    # -- training ----------------------------------------------------------------------------------------------------

    def players(self) -> tuple[Player, ...]:
        """Return the players in the order of their updates."""
        raise TypeError(f"{type(self).__name__} defines no players.")

    def stages(self) -> tuple[tuple[Player, ...], ...]:
        """Return the players of each stage of training. Most methods have one stage."""
        return (self.players(),)

    def prepare(self, x: Tensor) -> None:
        """Look at all training rows x (n, ...) once before training."""

    def finalize(self, chunks: Iterator[Tensor]) -> None:
        """Compute after training, from chunks (K, B, ...) of all training rows, the values that scoring needs."""

    def symptoms(self, x: Tensor) -> dict[Symptom, Tensor]:
        """Return the symptoms (K,) of a failed training, seen on a training batch x (K, B, ...) in eval mode."""
        return {}

    def criterion(self, x: Tensor) -> Tensor:
        """Return the validation loss (K, B) of normal rows x (K, B, ...), lower is better. It uses no labels.

        Raises
        ------
        InvalidInputError
            If the method has none.
        """
        raise InvalidInputError(
            f"{type(self).__name__} has no validation loss to choose the best weights by. "
            "Use early_stopping=EarlyStopping(criterion='none')."
        )

    # -- scoring -----------------------------------------------------------------------------------------------------

    def score_terms(self, x: Tensor) -> dict[str, Tensor]:
        """Return terms (K, B) whose sum is the score A(x) of x (K, B, ...); higher is more anomalous."""
        raise TypeError(f"{type(self).__name__} defines no score_terms.")

    def reconstruct(self, x: Tensor) -> Tensor:
        """Return the reconstruction (K, B, ...) of x (K, B, ...)."""
        raise TypeError(f"{type(self).__name__} does not reconstruct.")

    def attribute(self, x: Tensor) -> ModelAttribution:
        """Attribute the score of x (K, B, ...) to its columns or pixels.

        The share is the gradient times the difference from the reconstruction (Shrikumar et al., 2016,
        arXiv:1605.01713). What the shares miss of the score is distributed by their size, so that they add up. Integrated
        gradients (Sundararajan et al., 2017) give nearly the same at many times the cost.
        """
        point = x.clone().requires_grad_()
        with torch.enable_grad():
            terms = self.score_terms(point)
            (gradient,) = torch.autograd.grad(total(terms).sum(), point)
        terms = {name: values.detach() for name, values in terms.items()}
        with torch.no_grad():
            expected = self.reconstruct(x)
            base = total(self.score_terms(expected))
        shares = (gradient * (x - expected)).flatten(2)
        missing = (total(terms) - base - shares.sum(2)).unsqueeze(2)
        sizes = shares.abs() + 1e-12
        shares = shares + missing * (sizes / sizes.sum(2, keepdim=True))  # a product of both could overflow
        return ModelAttribution(shares.view_as(x), expected, terms)

    # -- members -----------------------------------------------------------------------------------------------------

    def member(self, index: int) -> Self:
        """Return one member as a model of its own whose weights are views of this model's.

        Parameters
        ----------
        index : int

        Returns
        -------
        Model
            A model of one member. Later changes of this model's weights in place change it as well.
        """
        one = self._without_weights(ZeroGenerators(self.generators.seeds[index : index + 1]))
        state = self.state_dict()
        one.load_state_dict({name: value[index : index + 1] for name, value in state.items()}, assign=True)
        for name, value in self.named_buffers():
            if name not in state:  # buffers that are not stacked by member belong to all members
                owner, _, attribute = name.rpartition(".")
                setattr(one.get_submodule(owner), attribute, value)
        return one.train(self.training)

    def _without_weights(self, generators: MemberGenerators) -> Self:
        """Return a model of the same networks, for other members."""
        return type(self)(self.shape, self.settings, generators)

    def preprocess(self, x: Tensor) -> Tensor:
        """Clip standardised columns of x (K, B, ...) for the networks: a single far value would decide alone otherwise."""
        return x.clamp(-self.clip, self.clip) if self.clip else x
