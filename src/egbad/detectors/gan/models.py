"""Adversarial models that several methods train: `GANModel` and `BiGANModel`."""

from typing import Any, Literal, Self, TypeVar

import torch
from pydantic import Field
from torch import Tensor, nn

from egbad.detectors.base import Model, ModelAttribution, TorchSettings, total
from egbad.detectors.gan.losses import gan_discriminator_loss, gan_generator_loss, norm_distance
from egbad.nn.generators import MemberGenerators
from egbad.nn.layers import without_tracking
from egbad.nn.network_factory import NetworkFactory, build_own_networks
from egbad.nn.networks import PairDiscriminator, discriminator, encoder, generator, pair_discriminator
from egbad.nn.own_networks import MemberDiscriminator
from egbad.nn.released_networks import (
    kdd99_discriminator,
    mnist_discriminator,
    mnist_encoder,
    mnist_generator,
    mnist_pair_discriminator,
)
from egbad.training.health import Symptom
from egbad.training.players import Player

GENERATOR_COLLAPSED = Symptom(
    "the generator gives nearly the same output for every z",
    "Fit with more input_noise or a higher cycle_weight.",
    rollback=True,
    restart=True,
)
DISCRIMINATOR_WON = Symptom(
    "the discriminator has won: its loss is nearly zero, so the generator no longer learns",
    "Fit with more input_noise or a lower discriminator_lr_scale.",
    slowed_players=("D",),
)
DISCRIMINATOR_DEAD = Symptom(
    "the discriminator is dead: its output is the same for every input",
    "Fit with another random_state or a lower discriminator_lr_scale.",
    rollback=True,
    restart=True,
)

MAX_SEARCH_STEPS = 10_000  # of methods that search for z: bounds the time that a model from elsewhere can take to score
_COLLAPSED_RATIO = 0.02  # standard deviation of generated samples, relative to that of real ones
_WON_LOSS = 0.02
_DEAD_STD = 1e-6  # standard deviation of D's logits

# -- settings ----------------------------------------------------------------------------------------------------------


class GANSettings(TorchSettings):
    """Settings of a method with a generator."""

    networks: Literal["auto", "kdd99", "mnist", "own"] = "auto"  # "own": those of the parameter `networks`
    n_latent: int = Field(ge=1)
    width: int = Field(ge=1)
    dropout: float = Field(default=0.0, ge=0, lt=1)
    input_noise: float = Field(default=0.0, ge=0)
    discriminator_lr_scale: float = Field(default=1.0, gt=0)


class BiGANSettings(GANSettings):
    """Settings of a method with a generator and an encoder."""

    adversarial_weight: float = Field(default=1.0, ge=0)
    cycle_weight: float = Field(default=0.0, ge=0)
    degree: float = Field(default=1.0, gt=0)


P = TypeVar("P", bound=GANSettings)
B = TypeVar("B", bound=BiGANSettings)


# -- attribution -------------------------------------------------------------------------------------------------------


def attribute_by_difference(model: Model[Any], x: Tensor) -> ModelAttribution:
    """Share out the score of x in proportion to |x - reconstruction|, for methods that search for z.

    Parameters
    ----------
    model : Model
    x : Tensor of shape (K, B, ...)

    Returns
    -------
    ModelAttribution
    """
    terms, expected = model.score_terms(x), model.reconstruct(x)
    differences = (model.preprocess(x) - expected).abs() + 1e-12
    scale = total(terms) / differences.flatten(2).sum(2)
    return ModelAttribution(differences * scale.view(*scale.shape, *[1] * (x.dim() - 2)), expected, terms)


# -- models ------------------------------------------------------------------------------------------------------------


def _unit_std(x: Tensor) -> Tensor:
    """Return the standard deviation (K, d) of each column or pixel of x (K, B, ...)."""
    return x.flatten(2).std(1, correction=0)


class AdversarialModel(Model[P]):
    """Base class of models with a generator G and a discriminator D: latents, input noise, symptoms."""

    G: nn.Module

    def sample_latent(self, n: int, generators: MemberGenerators | None = None) -> Tensor:
        """Draw n latents z ~ N(0, I) per member, (K, n, k)."""
        return (generators or self.generators).normal(n, self.settings.n_latent, per_row=True)

    def add_input_noise(self, x: Tensor) -> Tensor:
        """Return D's view of x (K, B, ...): with noise, of the same shape."""
        scale = self.settings.input_noise
        return x + scale * self.generators.normal(*x.shape[1:], per_row=True) if scale else x

    def discriminator_logit(self, x: Tensor) -> Tensor:
        """Return D's logits (K, B) of real x (K, B, ...) without noise."""
        raise TypeError(f"{type(self).__name__} defines no discriminator_logit.")

    def loss_d(self, x: Tensor) -> Tensor:
        """Return D's loss (K,) on x (K, B, ...)."""
        raise TypeError(f"{type(self).__name__} defines no loss_d.")

    def generator_collapsed(self, x: Tensor) -> Tensor:
        """Return for each member (K,) if G's samples hardly differ, compared with x (K, B, ...)."""
        generated, real = (_unit_std(t).mean(1) for t in (self.G(self.sample_latent(x.shape[1])), self.preprocess(x)))
        return generated < _COLLAPSED_RATIO * real

    def discriminator_dead(self, x: Tensor) -> Tensor:
        """Return for each member (K,) if D's logits are all equal although rows of x (K, B, ...) differ."""
        rows_differ = _unit_std(self.preprocess(x)).amax(1) > 1e-6
        return (self.discriminator_logit(x).std(1, correction=0) < _DEAD_STD) & rows_differ

    def symptoms(self, x: Tensor) -> dict[Symptom, Tensor]:
        """Return the symptoms (K,) of a failed training, seen on x (K, B, ...)."""
        return {
            GENERATOR_COLLAPSED: self.generator_collapsed(x),
            DISCRIMINATOR_WON: self.loss_d(x) < _WON_LOSS,
            DISCRIMINATOR_DEAD: self.discriminator_dead(x),
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
        """Return D and G."""
        d = Player("D", [*self.D.parameters()], self.loss_d, self.settings.discriminator_lr_scale)
        return d, Player("G", [*self.G.parameters()], self.loss_g)

    def loss_d(self, x: Tensor) -> Tensor:
        """Return D's loss (K,) on x (K, B, ...)."""
        x = self.preprocess(x)
        with torch.no_grad(), without_tracking(self.G):
            x_gen = self.G(self.sample_latent(x.shape[1]))
        return gan_discriminator_loss(self.D(self.add_input_noise(x)), self.D(self.add_input_noise(x_gen)))

    def loss_g(self, x: Tensor) -> Tensor:
        """Return G's loss (K,) on as many samples as x (K, B, ...) has rows."""
        with without_tracking(self.D):
            x_gen = self.G(self.sample_latent(x.shape[1]))
            return gan_generator_loss(None, self.D(self.add_input_noise(x_gen)))

    def discriminator_logit(self, x: Tensor) -> Tensor:
        """Return D's logits (K, B) of x (K, B, ...)."""
        logits: Tensor = self.D(self.preprocess(x))
        return logits


class BiGANModel(AdversarialModel[B]):
    """E: x -> z and G: z -> x against D: (x, z) -> logit (Donahue et al., 2017)."""

    E: nn.Module
    D: PairDiscriminator | MemberDiscriminator

    def __init__(
        self,
        shape: tuple[int, ...],
        settings: B,
        generators: MemberGenerators,
        networks: NetworkFactory | None = None,
    ) -> None:
        super().__init__(shape, settings, generators)
        s, k = settings, settings.n_latent
        self.networks = networks
        if networks is not None:
            reads_features = self.reads_features(settings)
            self.E, self.G, self.D = build_own_networks(networks, shape, k, generators, reads_features=reads_features)
        elif s.networks == "mnist":
            self.E, self.G = mnist_encoder(generators, k), mnist_generator(generators, k)
            self.D = mnist_pair_discriminator(generators, k, s.dropout)
        else:
            self.D = pair_discriminator(generators, shape, k, s.width, s.dropout)
            self.E = encoder(generators, shape, s.width, k)
            self.G = generator(generators, shape, s.width, k)

    def players(self) -> tuple[Player, ...]:
        """Return D, and E and G as one player; without an adversarial loss E and G alone."""
        d, e, g = ([p for p in network.parameters() if p.requires_grad] for network in (self.D, self.E, self.G))
        capturable = self.networks is None
        eg = Player("EG", [*e, *g], self.loss_eg, capturable=capturable)
        if self.settings.adversarial_weight == 0:
            return (eg,)
        return Player("D", d, self.loss_d, self.settings.discriminator_lr_scale, capturable=capturable), eg

    @classmethod
    def reads_features(cls, settings: Any) -> bool:
        """Return True if the score reads the features of D."""
        return False

    def _without_weights(self, generators: MemberGenerators) -> Self:
        return type(self)(self.shape, self.settings, generators, self.networks)

    def loss_d(self, x: Tensor) -> Tensor:
        """Return D's loss (K,) on pairs (x, E(x)) and (G(z), z), x (K, B, ...)."""
        x = self.preprocess(x)
        z = self.sample_latent(x.shape[1])
        with torch.no_grad(), without_tracking(self.E, self.G):
            z_hat, x_gen = self.E(x), self.G(z)
        real = self.D(self.add_input_noise(x), z_hat)
        return gan_discriminator_loss(real, self.D(self.add_input_noise(x_gen), z))

    def loss_eg(self, x: Tensor) -> Tensor:
        """Return the joint loss (K,) of E and G on x (K, B, ...): adversarial and cycle consistency."""
        s, x = self.settings, self.preprocess(x)
        z_hat = self.E(x)
        loss = torch.zeros(len(x), device=x.device, dtype=x.dtype)
        if s.cycle_weight:
            loss = loss + s.cycle_weight * norm_distance(x, self.G(z_hat), s.degree).mean(1)
        if s.adversarial_weight:
            z = self.sample_latent(x.shape[1])
            with without_tracking(self.D):
                real = self.D(self.add_input_noise(x), z_hat)
                fake = self.D(self.add_input_noise(self.G(z)), z)
            loss = loss + s.adversarial_weight * gan_generator_loss(real, fake)
        if s.networks == "mnist" and not s.cycle_weight:
            with torch.no_grad():
                self.G(
                    z_hat
                )  # as in the released graph, G's running moments are also those of G(E(x)), which is scored
        return loss

    def discriminator_logit(self, x: Tensor) -> Tensor:
        """Return D's logits (K, B) of (x, E(x)), x (K, B, ...)."""
        x = self.preprocess(x)
        logits: Tensor = self.D(x, self.E(x))
        return logits

    def criterion(self, x: Tensor) -> Tensor:
        """Return the distance (K, B) of x (K, B, ...) from its reconstruction."""
        return norm_distance(self.preprocess(x), self.reconstruct(x), self.settings.degree)

    def reconstruct(self, x: Tensor) -> Tensor:
        """Return G(E(x)), x (K, B, ...)."""
        x_hat: Tensor = self.G(self.E(self.preprocess(x)))
        return x_hat

    def symptoms(self, x: Tensor) -> dict[Symptom, Tensor]:
        """Return the symptoms (K,) of a failed training; an autoencoder has none."""
        return {} if self.settings.adversarial_weight == 0 else super().symptoms(x)
