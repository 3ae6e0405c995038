"""f-AnoGAN: AnoGAN with an encoder in place of the search (Schlegl et al., 2019, Medical Image Analysis).

First a Wasserstein GAN with gradient penalty learns what is normal; then, with G and the critic held still, an encoder
learns to invert G: by images (izi), by latents (ziz), or by images and the critic's features (izi_f).
"""

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from egbad.detectors.base import merge_settings
from egbad.detectors.gan.detector import GANDetector
from egbad.detectors.gan.losses import mean_squared_error
from egbad.detectors.gan.models import DISCRIMINATOR_DEAD, GENERATOR_COLLAPSED, AdversarialModel, GANSettings
from egbad.detectors.gan.recipes import gan_default
from egbad.nn.generators import MemberGenerators
from egbad.nn.layers import frozen
from egbad.nn.networks import discriminator, encoder, generator
from egbad.training.health import Symptom
from egbad.training.players import Player, Schedule


def gradient_penalty(gradient: Tensor) -> Tensor:
    """(|gradient| - 1)^2 of the critic between real and made, (K, B, ...) -> (K, B); Gulrajani et al. (2017)."""
    length: Tensor = torch.linalg.vector_norm(gradient.flatten(2), dim=2)
    return (length - 1) ** 2


class FAnoGANSettings(GANSettings):
    """Every value decided."""

    networks: Literal["auto"] = "auto"
    mapping: Literal["izi_f", "izi", "ziz"] = "izi_f"
    feature_weight: float = Field(default=1.0, ge=0)
    n_critic: int = Field(default=5, ge=1)
    penalty_weight: float = Field(default=10.0, ge=0)
    encoder_steps: int = Field(ge=0)
    encoder_learning_rate: float = Field(gt=0)


def default(shape: tuple[int, ...]) -> dict[str, Any]:
    """Values for encoded rows (d,) or images (c, h, w)."""
    # Adam's moments are those of the paper on Wasserstein GANs: a critic moves too fast for memory.
    steps, encoder_steps = (2000, 3000) if len(shape) == 1 else (600, 800)
    own = {
        "discriminator_lr_scale": 1.0,
        "input_noise": 0.0,
        "encoder_steps": encoder_steps,
        "encoder_learning_rate": 1e-3,
        "training": {"learning_rate": 5e-4, "beta1": 0.0, "steps": steps},
    }
    return merge_settings(gan_default(shape), own)


def paper(shape: tuple[int, ...]) -> dict[str, Any]:
    """The released code's values: learning rates, batches, latents and steps; its residual networks are not here."""
    own = {
        "n_latent": 128,
        "encoder_steps": 50_000,
        "encoder_learning_rate": 5e-5,
        "training": {"learning_rate": 1e-4, "learning_rate_decay": False, "batch_size": 64, "ema_decay": 0.0},
    }
    return merge_settings(default(shape), own)


class FAnoGANModel(AdversarialModel[FAnoGANSettings]):
    """G against the critic D, and E that inverts G."""

    def __init__(self, shape: tuple[int, ...], settings: FAnoGANSettings, generators: MemberGenerators) -> None:
        super().__init__(shape, settings, generators)
        s = settings
        self.D = discriminator(generators, shape, s.width, s.dropout)
        self.G = generator(generators, shape, s.width, s.n_latent)
        self.E = encoder(generators, shape, s.width, s.n_latent)

    def stages(self) -> tuple[tuple[Player, ...], ...]:
        s = self.settings
        critic = Player("D", [*self.D.parameters()], self.loss_d, s.discriminator_lr_scale, n_updates=s.n_critic)
        return (critic, Player("G", [*self.G.parameters()], self.loss_g)), (
            Player("E", [*self.E.parameters()], self.loss_e),
        )

    def loss_d(self, x: Tensor) -> Tensor:
        """E[D(G(z))] - E[D(x)] + the penalty, (K,)."""
        x = self.noisy(self.preprocess(x))
        with torch.no_grad():
            made = self.G(self.latent(x.shape[1]))
        share = self.generators.uniform(x.shape[1], per_row=True).view(*x.shape[:2], *[1] * (x.dim() - 2))
        between = (share * x + (1 - share) * made).requires_grad_()
        with torch.enable_grad():
            (gradient,) = torch.autograd.grad(self.D(between).sum(), [between], create_graph=True)
        penalty = self.settings.penalty_weight * gradient_penalty(gradient)
        loss: Tensor = self.D(made) - self.D(x) + penalty
        return loss.mean(1)

    def loss_g(self, x: Tensor) -> Tensor:
        """-E[D(G(z))], (K,)."""
        discriminator_logit: Tensor = self.D(self.G(self.latent(x.shape[1])))
        return -discriminator_logit.mean(1)

    def loss_e(self, x: Tensor) -> Tensor:
        """The chosen mapping's loss, section 2.2, (K,)."""
        with frozen(self.G, self.D):
            if self.settings.mapping == "ziz":
                z = self.latent(x.shape[1])
                return mean_squared_error(z, self.E(self.G(z))).mean(1)
            residual, features = self.distances(self.preprocess(x), self.preprocess(x))
        loss = residual.mean(1)
        return loss if self.settings.mapping == "izi" else loss + self.settings.feature_weight * features.mean(1)

    def distances(self, x: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
        """Mean squares of x - G(E(x)) and of f(x) - f(G(E(x))), each (K, B)."""
        x_hat = self.G(self.E(seen))
        return mean_squared_error(x, x_hat), mean_squared_error(self.D.features(seen), self.D.features(x_hat))

    def score_terms(self, x: Tensor) -> dict[str, Tensor]:
        """A(x) = A_R(x) + kappa A_D(x), section 2.3, whatever the encoder was trained by."""
        residual, features = self.distances(x, self.preprocess(x))
        return {"residual": residual, "features": self.settings.feature_weight * features}

    def criterion(self, x: Tensor) -> Tensor:
        return self.distances(self.preprocess(x), self.preprocess(x))[0]

    def reconstruct(self, x: Tensor) -> Tensor:
        x_hat: Tensor = self.G(self.E(self.preprocess(x)))
        return x_hat

    def discriminator_logit(self, x: Tensor) -> Tensor:
        logits: Tensor = self.D(self.preprocess(x))
        return logits

    def symptoms(self, x: Tensor) -> dict[Symptom, Tensor]:
        return {
            GENERATOR_COLLAPSED: self.collapsed(x),
            DISCRIMINATOR_DEAD: self.died(x),
        }  # a critic's loss has no zero to be near to


@dataclass(kw_only=True, eq=False, repr=False)
class FAnoGAN(GANDetector[FAnoGANSettings]):
    """Fast AnoGAN: a Wasserstein GAN, and an encoder that inverts its generator.

    Parameters
    ----------
    mapping : {"izi_f", "izi", "ziz"}, optional
        How the encoder learns: x -> z -> x with the critic's features, without them, or z -> x -> z.
    feature_weight : float, optional
        kappa, the weight of the features in the encoder's loss and in the score.
    n_critic : int, optional
        Moves of the critic for each of G.
    penalty_weight : float, optional
        Of the gradient penalty.
    encoder_steps : int, optional
        Steps of the second stage; `steps` are those of the first.
    encoder_learning_rate : float, optional
        Adam's in the second stage.

    References
    ----------
    Schlegl, Seeboeck, Waldstein, Langs, Schmidt-Erfurth, "f-AnoGAN: Fast Unsupervised Anomaly Detection with Generative
    Adversarial Networks", Medical Image Analysis, 2019.
    Gulrajani, Ahmed, Arjovsky, Dumoulin, Courville, "Improved Training of Wasserstein GANs", arXiv:1704.00028.

    Examples
    --------
    >>> import numpy as np
    >>> from egbad.detectors import FAnoGAN
    >>> X = np.random.default_rng(0).normal(size=(500, 4))
    >>> detector = FAnoGAN(steps=100, encoder_steps=100, alpha=0.05, random_state=0).fit(X)
    >>> detector.predict(np.array([[0.0, 0.0, 0.0, 0.0], [9.0, -9.0, 9.0, -9.0]]))
    array([ 1, -1])
    """

    name: ClassVar[str] = "f_anogan"
    settings_type: ClassVar = FAnoGANSettings
    model_type: ClassVar = FAnoGANModel
    recipes: ClassVar = {"default": default, "paper": paper}
    tunable: ClassVar = {"n_latent": (8, 32), "feature_weight": (0.1, 1.0)}

    mapping: str | None = None
    feature_weight: float | None = None
    n_critic: int | None = None
    penalty_weight: float | None = None
    encoder_steps: int | None = None
    encoder_learning_rate: float | None = None

    def _schedules(self, n: int) -> tuple[Schedule, ...]:
        s = self.settings_
        game = s.training.schedule(n)
        encoding = replace(game, steps=s.encoder_steps, learning_rate=s.encoder_learning_rate, beta1=0.9)
        return replace(game, beta2=0.9), encoding
