"""The adversarial games that several methods train by, and the distances that they score with. Neither is a method."""

from dataclasses import dataclass
from math import ceil, log2
from typing import Any, Literal, TypeVar

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import softplus

from egbad.base import Model, Shares, TorchDetector, TrainingSettings, total
from egbad.draws import Draws
from egbad.errors import InvalidInputError
from egbad.health import Symptom
from egbad.layers import without_tracking
from egbad.networks import discriminator, encoder, generator, pair_discriminator
from egbad.paper_networks import (
    kdd99_discriminator,
    mnist_discriminator,
    mnist_encoder,
    mnist_generator,
    mnist_pairs,
)
from egbad.training import Turn

COLLAPSED = Symptom(
    "the generator gives nearly the same answer to every z",
    "Fit with more input_noise or a higher cycle_weight.",
    back=True,
    restart=True,
)
WON = Symptom(
    "the discriminator has won: its loss is nearly zero, so that nobody learns from it",
    "Fit with more input_noise or a lower discriminator_pace.",
    slower=("D",),
)
DIED = Symptom(
    "the discriminator has died: it says the same of everything",
    "Fit with another random_state or a lower discriminator_pace.",
    back=True,
    restart=True,
)


# -- formulas ----------------------------------------------------------------------------------------------------------


def norm_distance(a: Tensor, b: Tensor, degree: float = 1.0) -> Tensor:
    """|a - b| of the given degree over all units, a and b (K, B, ...) -> (K, B)."""
    difference = (a - b).flatten(2)
    if degree == 1:
        return difference.abs_().sum(2)  # vector_norm takes five times as long
    norm: Tensor = torch.linalg.vector_norm(difference, ord=degree, dim=2)
    return norm


def mean_squares(a: Tensor, b: Tensor) -> Tensor:
    """Mean over all units of (a - b)^2, a and b (K, B, ...) -> (K, B)."""
    return ((a - b) ** 2).flatten(2).mean(2)


def cross_entropy_real(logits: Tensor) -> Tensor:
    """sigma(l, 1) = -log sigmoid(l): how little D takes it for a real one, logits (K, B) -> (K, B)."""
    return softplus(-logits)


def loss_of_d(real: Tensor, fake: Tensor) -> Tensor:
    """-log D(real) - log(1 - D(fake)), logits (K, B) -> (K,)."""
    return (softplus(-real) + softplus(fake)).mean(1)  # softplus(-t) = -log sigmoid(t)


def loss_against_d(real: Tensor | None, fake: Tensor) -> Tensor:
    """What D's opponents minimise, logits (K, B) -> (K,): the labels are swapped, not the sign of D's loss.

    So gradients live on when D is sure (Goodfellow et al., 2014). `real` is None where nobody stands behind it.
    """
    loss = softplus(-fake).mean(1)
    return loss if real is None else loss + softplus(real).mean(1)


def shares_by_difference(model: Model[Any], x: Tensor) -> Shares:
    """`Model.shares` for methods that search: the score, shared out by |x - reconstruction|."""
    terms, expected = model.score_terms(x), model.reconstruct(x)
    ways = (model.seen(x) - expected).abs() + 1e-12
    whole = ways.flatten(2).sum(2)
    return Shares(ways * (total(terms) / whole).view(*whole.shape, *[1] * (x.dim() - 2)), expected, terms)


# -- the games -----------------------------------------------------------------------------------------------------------


class GameSettings(TrainingSettings):
    """Settings of a method with a generator."""

    networks: Literal["auto", "kdd99", "mnist"] = "auto"
    n_latent: int = Field(ge=1)
    width: int = Field(ge=1)
    dropout: float = Field(default=0.0, ge=0, lt=1)
    prior: Literal["normal", "uniform"] = "normal"
    input_noise: float = Field(default=0.0, ge=0)
    discriminator_pace: float = Field(default=1.0, gt=0)


P = TypeVar("P", bound=GameSettings)


def _spread(x: Tensor) -> Tensor:
    """Deviation of each column or pixel of rows or images x (K, B, ...) -> (K, d)."""
    return x.flatten(2).std(1, correction=0)


class Game(Model[P]):
    """What games share: the prior, D's view, the signs of a collapse."""

    G: nn.Module

    def latent(self, n: int, draws: Draws | None = None) -> Tensor:
        """z ~ p(z), (K, n, k)."""
        k, draws = self.settings.n_latent, draws or self.draws
        return draws.normal(n, k) if self.settings.prior == "normal" else 2 * draws.uniform(n, k) - 1

    def noisy(self, x: Tensor) -> Tensor:
        """What D sees of x (K, B, ...)."""
        scale = self.settings.input_noise
        return x + scale * self.draws.normal(*x.shape[1:]) if scale else x

    def collapsed(self, x: Tensor) -> Tensor:
        """Whether G's answers hardly differ, beside rows or images x (K, B, ...) -> (K,) bool."""
        made, real = (_spread(one).mean(1) for one in (self.G(self.latent(x.shape[1])), self.seen(x)))
        return made < 0.02 * real

    def died(self, x: Tensor) -> Tensor:
        """Whether D says the same of all rows or images x (K, B, ...), which differ -> (K,) bool."""
        differ = _spread(self.seen(x)).amax(1) > 1e-6
        return (self.verdict(x).std(1, correction=0) < 1e-6) & differ

    def verdict(self, x: Tensor) -> Tensor:
        """D's logits (K, B) of x (K, B, ...) as real ones, without noise."""
        raise TypeError(f"{type(self).__name__} defines no verdict.")

    def loss_d(self, x: Tensor) -> Tensor:
        """D's loss on x (K, B, ...) -> (K,)."""
        raise TypeError(f"{type(self).__name__} defines no loss_d.")

    def symptoms(self, x: Tensor) -> dict[Symptom, Tensor]:
        return {COLLAPSED: self.collapsed(x), WON: self.loss_d(x) < 0.02, DIED: self.died(x)}


class GANGame(Game[P]):
    """G: z -> x against D: x -> logit (Goodfellow et al., 2014)."""

    def __init__(self, shape: tuple[int, ...], settings: P, draws: Draws) -> None:
        super().__init__(shape, settings, draws)
        s = settings
        check_networks(s.networks, shape)
        if s.networks == "mnist":
            self.D, self.G = mnist_discriminator(draws), mnist_generator(draws, s.n_latent)
        elif s.networks == "kdd99":
            self.D = kdd99_discriminator(draws, shape[0], s.dropout)
            self.G = generator(draws, shape, s.width, s.n_latent)
        else:
            self.D = discriminator(draws, shape, s.width, s.dropout)
            self.G = generator(draws, shape, s.width, s.n_latent)

    def turns(self) -> tuple[Turn, ...]:
        d = Turn("D", [*self.D.parameters()], self.loss_d, self.settings.discriminator_pace)
        return d, Turn("G", [*self.G.parameters()], self.loss_g)

    def loss_d(self, x: Tensor) -> Tensor:
        x = self.seen(x)
        with torch.no_grad(), without_tracking(self.G):
            made = self.G(self.latent(x.shape[1]))
        return loss_of_d(self.D(self.noisy(x)), self.D(self.noisy(made)))

    def verdict(self, x: Tensor) -> Tensor:
        logits: Tensor = self.D(self.seen(x))
        return logits

    def loss_g(self, x: Tensor) -> Tensor:
        """G's loss beside x (K, B, ...) -> (K,)."""
        with without_tracking(self.D):
            return loss_against_d(None, self.D(self.noisy(self.G(self.latent(x.shape[1])))))


class BiGANSettings(GameSettings):
    """Settings of a method with an encoder beside the generator."""

    adversarial_weight: float = Field(default=1.0, ge=0)
    cycle_weight: float = Field(default=0.0, ge=0)
    degree: float = Field(default=1.0, gt=0)


B = TypeVar("B", bound=BiGANSettings)


class BiGANGame(Game[B]):
    """E: x -> z and G: z -> x against D: (x, z) -> logit (Donahue et al., 2016)."""

    def __init__(self, shape: tuple[int, ...], settings: B, draws: Draws) -> None:
        super().__init__(shape, settings, draws)
        s, k = settings, settings.n_latent
        check_networks(s.networks, shape)
        if s.networks == "mnist":
            self.E, self.G = mnist_encoder(draws, k), mnist_generator(draws, k)
            self.D = mnist_pairs(draws, k, s.dropout)
        else:
            self.D = pair_discriminator(draws, shape, k, s.width, s.dropout)
            self.E = encoder(draws, shape, s.width, k)
            self.G = generator(draws, shape, s.width, k)

    def turns(self) -> tuple[Turn, ...]:
        eg = Turn("EG", [*self.E.parameters(), *self.G.parameters()], self.loss_eg)
        if self.settings.adversarial_weight == 0:
            return (eg,)  # a plain autoencoder: nobody for D to play against
        return Turn("D", [*self.D.parameters()], self.loss_d, self.settings.discriminator_pace), eg

    def loss_d(self, x: Tensor) -> Tensor:
        x = self.seen(x)
        z = self.latent(x.shape[1])
        with torch.no_grad(), without_tracking(self.E, self.G):
            z_hat, x_gen = self.E(x), self.G(z)
        return loss_of_d(self.D(self.noisy(x), z_hat), self.D(self.noisy(x_gen), z))

    def verdict(self, x: Tensor) -> Tensor:
        x = self.seen(x)
        logits: Tensor = self.D(x, self.E(x))
        return logits

    def loss_eg(self, x: Tensor) -> Tensor:
        """Loss of E and G together on x (K, B, ...) -> (K,)."""
        x = self.seen(x)
        z_hat = self.E(x)
        loss = torch.zeros(len(x), device=x.device)
        if self.settings.cycle_weight:
            cycle = norm_distance(x, self.G(z_hat), self.settings.degree).mean(1)
            loss = loss + self.settings.cycle_weight * cycle
        if self.settings.adversarial_weight:
            z = self.latent(x.shape[1])
            with without_tracking(self.D):
                real, fake = self.D(self.noisy(x), z_hat), self.D(self.noisy(self.G(z)), z)
            loss = loss + self.settings.adversarial_weight * loss_against_d(real, fake)
        return loss

    def criterion(self, x: Tensor) -> Tensor:
        return norm_distance(self.seen(x), self.reconstruct(x), self.settings.degree)

    def reconstruct(self, x: Tensor) -> Tensor:
        x_hat: Tensor = self.G(self.E(self.seen(x)))
        return x_hat

    def symptoms(self, x: Tensor) -> dict[Symptom, Tensor]:
        return {} if self.settings.adversarial_weight == 0 else super().symptoms(x)


def check_networks(networks: str, shape: tuple[int, ...]) -> None:
    """Refuse released networks where they don't fit."""
    if networks == "kdd99" and len(shape) == 3:
        raise InvalidInputError(f"networks='kdd99' needs rows, got images of shape {shape}. Use networks='auto'.")
    if networks == "mnist" and shape != (1, 28, 28):
        raise InvalidInputError(
            f"networks='mnist' needs images of shape (1, 28, 28), got {shape}. Use networks='auto'."
        )


# -- recipes -------------------------------------------------------------------------------------------------------------


def row_width(d: int) -> int:
    """Units of a first hidden layer for d columns."""
    return min(256, max(64, 2 ** ceil(log2(d / 2)))) if d > 2 else 64


def bigan_default(shape: tuple[int, ...]) -> dict[str, Any]:
    """Stable values for a BiGAN on encoded rows (d,) or images (c, h, w)."""
    common = {"cycle_weight": 10.0, "discriminator_pace": 0.1}
    if len(shape) == 1:
        d = shape[0]
        return common | {"n_latent": max(1, min(32, d // 2)), "width": row_width(d), "input_noise": 1.0,
                         "learning_rate": 3e-4, "batch_size": 128, "steps": 3000}  # fmt: skip
    return common | {"n_latent": 32, "width": 32, "input_noise": 0.5, "learning_rate": 1e-3, "batch_size": 32,
                     "steps": 800, "degree": 2.0}  # fmt: skip


def gan_default(shape: tuple[int, ...]) -> dict[str, Any]:
    """Stable values for a GAN on encoded rows (d,) or images (c, h, w)."""
    values = {k: v for k, v in bigan_default(shape).items() if k not in ("cycle_weight", "degree")}
    if len(shape) == 1:
        return values | {"discriminator_pace": 1.0, "input_noise": 0.1, "learning_rate": 1e-3}
    return values | {"discriminator_pace": 0.5, "input_noise": 0.3}


def released(shape: tuple[int, ...]) -> dict[str, Any]:
    """EGBAD's released values, for its BiGAN and its AnoGAN alike: learning rate, batches, latents, dropout, averaging."""
    common = {"learning_rate": 1e-5, "learning_rate_decay": False, "average_warmup": False}
    if len(shape) == 1:
        return common | {"networks": "kdd99", "n_latent": 32, "width": 64, "dropout": 0.2, "batch_size": 50, "epochs": 50,
                         "average": 0.9999, "scaling": "minmax"}  # fmt: skip
    networks = "mnist" if shape == (1, 28, 28) else "auto"  # other images have no released networks
    return common | {"networks": networks, "n_latent": 200, "width": 64, "dropout": 0.5, "batch_size": 100,
                     "epochs": 100}  # fmt: skip


@dataclass(kw_only=True, eq=False, repr=False)
class GameDetector(TorchDetector[P]):
    """A detector with a generator.

    Parameters
    ----------
    networks : {"auto", "kdd99", "mnist"}, optional
        "auto" sizes them from the shape of the input; the others are those released with EGBAD.
    n_latent : int, optional
        Length of z. Default 32 or half the columns, whichever is less, and 32 for images.
    width : int, optional
        Units of the first hidden layer, or channels of the first convolution.
    dropout : float, optional
        Share of D's units that are dropped while training, in [0, 1).
    prior : {"normal", "uniform"}, optional
        p(z): N(0, I) as in the released code, or U[-1, 1].
    input_noise : float, optional
        Standard deviation of the noise on D's view of x, in encoded units.
    discriminator_pace : float, optional
        D's learning rate, as a multiple of that of the others.
    """

    networks: str | None = None
    n_latent: int | None = None
    width: int | None = None
    dropout: float | None = None
    prior: str | None = None
    input_noise: float | None = None
    discriminator_pace: float | None = None
