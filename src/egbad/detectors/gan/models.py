"""The adversarial games that several methods train by, and the distances that they score with. Neither is a method."""

from typing import Any, Literal, TypeVar

import torch
from pydantic import Field
from torch import Tensor, nn

from egbad.detectors.base import Model, ModelAttribution, TorchSettings, total
from egbad.detectors.gan.losses import gan_discriminator_loss, gan_generator_loss, norm_distance
from egbad.nn.generators import MemberGenerators
from egbad.nn.layers import without_tracking
from egbad.nn.networks import discriminator, encoder, generator, pair_discriminator
from egbad.nn.released_networks import (
    kdd99_discriminator,
    mnist_discriminator,
    mnist_encoder,
    mnist_generator,
    mnist_pairs,
)
from egbad.training.health import Symptom
from egbad.training.players import Player

GENERATOR_COLLAPSED = Symptom(
    "the generator gives nearly the same answer to every z",
    "Fit with more input_noise or a higher cycle_weight.",
    rollback=True,
    restart=True,
)
DISCRIMINATOR_WON = Symptom(
    "the discriminator has won: its loss is nearly zero, so that nobody learns from it",
    "Fit with more input_noise or a lower discriminator_lr_scale.",
    slowed_players=("D",),
)
DISCRIMINATOR_DEAD = Symptom(
    "the discriminator has died: it says the same of everything",
    "Fit with another random_state or a lower discriminator_lr_scale.",
    rollback=True,
    restart=True,
)


# -- formulas ----------------------------------------------------------------------------------------------------------


def shares_by_difference(model: Model[Any], x: Tensor) -> ModelAttribution:
    """`Model.attribute` for methods that search: the score, shared out by |x - reconstruction|."""
    terms, expected = model.score_terms(x), model.reconstruct(x)
    ways = (model.preprocess(x) - expected).abs() + 1e-12
    whole = ways.flatten(2).sum(2)
    return ModelAttribution(ways * (total(terms) / whole).view(*whole.shape, *[1] * (x.dim() - 2)), expected, terms)


# -- the games -----------------------------------------------------------------------------------------------------------


class GANSettings(TorchSettings):
    """Settings of a method with a generator."""

    networks: Literal["auto", "kdd99", "mnist"] = "auto"
    n_latent: int = Field(ge=1)
    width: int = Field(ge=1)
    dropout: float = Field(default=0.0, ge=0, lt=1)
    prior: Literal["normal", "uniform"] = "normal"
    input_noise: float = Field(default=0.0, ge=0)
    discriminator_lr_scale: float = Field(default=1.0, gt=0)


P = TypeVar("P", bound=GANSettings)


def _spread(x: Tensor) -> Tensor:
    """Deviation of each column or pixel of rows or images x (K, B, ...) -> (K, d)."""
    return x.flatten(2).std(1, correction=0)


class AdversarialModel(Model[P]):
    """What games share: the prior, D's view, the signs of a collapse."""

    G: nn.Module

    def latent(self, n: int, generators: MemberGenerators | None = None) -> Tensor:
        """z ~ p(z), (K, n, k)."""
        k, generators = self.settings.n_latent, generators or self.generators
        return (
            generators.normal(n, k, per_row=True)
            if self.settings.prior == "normal"
            else 2 * generators.uniform(n, k, per_row=True) - 1
        )

    def noisy(self, x: Tensor) -> Tensor:
        """What D sees of x (K, B, ...)."""
        scale = self.settings.input_noise
        return x + scale * self.generators.normal(*x.shape[1:], per_row=True) if scale else x

    def collapsed(self, x: Tensor) -> Tensor:
        """Whether G's answers hardly differ, beside rows or images x (K, B, ...) -> (K,) bool."""
        made, real = (_spread(one).mean(1) for one in (self.G(self.latent(x.shape[1])), self.preprocess(x)))
        return made < 0.02 * real

    def died(self, x: Tensor) -> Tensor:
        """Whether D says the same of all rows or images x (K, B, ...), which differ -> (K,) bool."""
        differ = _spread(self.preprocess(x)).amax(1) > 1e-6
        return (self.discriminator_logit(x).std(1, correction=0) < 1e-6) & differ

    def discriminator_logit(self, x: Tensor) -> Tensor:
        """D's logits (K, B) of x (K, B, ...) as real ones, without noise."""
        raise TypeError(f"{type(self).__name__} defines no verdict.")

    def loss_d(self, x: Tensor) -> Tensor:
        """D's loss on x (K, B, ...) -> (K,)."""
        raise TypeError(f"{type(self).__name__} defines no loss_d.")

    def symptoms(self, x: Tensor) -> dict[Symptom, Tensor]:
        return {
            GENERATOR_COLLAPSED: self.collapsed(x),
            DISCRIMINATOR_WON: self.loss_d(x) < 0.02,
            DISCRIMINATOR_DEAD: self.died(x),
        }


class GANModel(AdversarialModel[P]):
    """G: z -> x against D: x -> logit (Goodfellow et al., 2014)."""

    def __init__(self, shape: tuple[int, ...], settings: P, generators: MemberGenerators) -> None:
        super().__init__(shape, settings, generators)
        s = settings
        if s.networks == "mnist":
            self.D, self.G = mnist_discriminator(generators), mnist_generator(generators, s.n_latent)
        elif s.networks == "kdd99":
            self.D = kdd99_discriminator(generators, shape[0], s.dropout)
            self.G = generator(generators, shape, s.width, s.n_latent)
        else:
            self.D = discriminator(generators, shape, s.width, s.dropout)
            self.G = generator(generators, shape, s.width, s.n_latent)

    def players(self) -> tuple[Player, ...]:
        d = Player("D", [*self.D.parameters()], self.loss_d, self.settings.discriminator_lr_scale)
        return d, Player("G", [*self.G.parameters()], self.loss_g)

    def loss_d(self, x: Tensor) -> Tensor:
        x = self.preprocess(x)
        with torch.no_grad(), without_tracking(self.G):
            made = self.G(self.latent(x.shape[1]))
        return gan_discriminator_loss(self.D(self.noisy(x)), self.D(self.noisy(made)))

    def discriminator_logit(self, x: Tensor) -> Tensor:
        logits: Tensor = self.D(self.preprocess(x))
        return logits

    def loss_g(self, x: Tensor) -> Tensor:
        """G's loss beside x (K, B, ...) -> (K,)."""
        with without_tracking(self.D):
            return gan_generator_loss(None, self.D(self.noisy(self.G(self.latent(x.shape[1])))))


class BiGANSettings(GANSettings):
    """Settings of a method with an encoder beside the generator."""

    adversarial_weight: float = Field(default=1.0, ge=0)
    cycle_weight: float = Field(default=0.0, ge=0)
    degree: float = Field(default=1.0, gt=0)


B = TypeVar("B", bound=BiGANSettings)


class BiGANModel(AdversarialModel[B]):
    """E: x -> z and G: z -> x against D: (x, z) -> logit (Donahue et al., 2016)."""

    def __init__(self, shape: tuple[int, ...], settings: B, generators: MemberGenerators) -> None:
        super().__init__(shape, settings, generators)
        s, k = settings, settings.n_latent
        if s.networks == "mnist":
            self.E, self.G = mnist_encoder(generators, k), mnist_generator(generators, k)
            self.D = mnist_pairs(generators, k, s.dropout)
        else:
            self.D = pair_discriminator(generators, shape, k, s.width, s.dropout)
            self.E = encoder(generators, shape, s.width, k)
            self.G = generator(generators, shape, s.width, k)

    def players(self) -> tuple[Player, ...]:
        eg = Player("EG", [*self.E.parameters(), *self.G.parameters()], self.loss_eg)
        if self.settings.adversarial_weight == 0:
            return (eg,)  # a plain autoencoder: nobody for D to play against
        return Player("D", [*self.D.parameters()], self.loss_d, self.settings.discriminator_lr_scale), eg

    def loss_d(self, x: Tensor) -> Tensor:
        x = self.preprocess(x)
        z = self.latent(x.shape[1])
        with torch.no_grad(), without_tracking(self.E, self.G):
            z_hat, x_gen = self.E(x), self.G(z)
        return gan_discriminator_loss(self.D(self.noisy(x), z_hat), self.D(self.noisy(x_gen), z))

    def discriminator_logit(self, x: Tensor) -> Tensor:
        x = self.preprocess(x)
        logits: Tensor = self.D(x, self.E(x))
        return logits

    def loss_eg(self, x: Tensor) -> Tensor:
        """Loss of E and G together on x (K, B, ...) -> (K,)."""
        x = self.preprocess(x)
        z_hat = self.E(x)
        loss = torch.zeros(len(x), device=x.device)
        if self.settings.cycle_weight:
            cycle = norm_distance(x, self.G(z_hat), self.settings.degree).mean(1)
            loss = loss + self.settings.cycle_weight * cycle
        if self.settings.adversarial_weight:
            z = self.latent(x.shape[1])
            with without_tracking(self.D):
                real, fake = self.D(self.noisy(x), z_hat), self.D(self.noisy(self.G(z)), z)
            loss = loss + self.settings.adversarial_weight * gan_generator_loss(real, fake)
        return loss

    def criterion(self, x: Tensor) -> Tensor:
        return norm_distance(self.preprocess(x), self.reconstruct(x), self.settings.degree)

    def reconstruct(self, x: Tensor) -> Tensor:
        x_hat: Tensor = self.G(self.E(self.preprocess(x)))
        return x_hat

    def symptoms(self, x: Tensor) -> dict[Symptom, Tensor]:
        return {} if self.settings.adversarial_weight == 0 else super().symptoms(x)


# -- recipes -------------------------------------------------------------------------------------------------------------
