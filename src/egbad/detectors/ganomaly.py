"""GANomaly: two encoders around a decoder, and how far their codes lie apart (Akcay et al., 2018, ACCV).

z = E(x), x_hat = G(z), z_hat = E_hat(x_hat); the score is the distance of z_hat from z. Departures from the released
code: scores are those of the weights at rest, one by one, without scaling by the test set; the weights that are kept
are chosen by normal rows held out of training; a guard for rows outside the range of training.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from egbad.detectors.base import Model, TorchDetector, TorchSettings
from egbad.detectors.gan.losses import gan_discriminator_loss, mean_squared_error, norm_distance
from egbad.detectors.gan.recipes import bigan_default
from egbad.nn.generators import MemberGenerators
from egbad.nn.layers import without_tracking
from egbad.nn.networks import discriminator, encoder, generator
from egbad.training.health import Symptom
from egbad.training.players import Player

_DISCRIMINATOR_WON = Symptom(
    "the discriminator has won: its loss is nearly zero, so that its features say little of what is normal",
    "Fit with a lower discriminator_lr_scale.",
    slowed_players=("D",),
)


class GANomalySettings(TorchSettings):
    """Every value decided."""

    n_latent: int = Field(ge=1)
    width: int = Field(ge=1)
    adversarial_weight: float = Field(default=1.0, ge=0)
    residual_weight: float = Field(default=50.0, ge=0)
    latent_weight: float = Field(default=1.0, ge=0)
    discriminator_lr_scale: float = Field(default=1.0, gt=0)
    distance: Literal["l1", "squares"] = "l1"


def default(shape: tuple[int, ...]) -> dict[str, Any]:
    """Values for encoded rows (d,) or images (c, h, w)."""
    shared = bigan_default(shape)
    return {
        "width": shared["width"],
        # With no more latent entries than the data has directions, z is always recovered, also for anomalies.
        "n_latent": 32 if len(shape) == 1 else 128,
        "discriminator_lr_scale": 0.5,
        "preprocessing": {"range_guard": True},
        "training": shared["training"],
        "early_stopping": {"criterion": "validation"},
    }


def paper(shape: tuple[int, ...]) -> dict[str, Any]:
    """The released code's: learning rate, batches, latents, channels, epochs; networks are sized from the shape."""
    return {
        "n_latent": 100,
        "width": 64,
        "distance": "squares",
        "training": {
            "learning_rate": 2e-4,
            "learning_rate_decay": False,
            "batch_size": 64,
            "epochs": 15,
            "ema_decay": 0.0,
        },
        "early_stopping": {"criterion": "validation"},
    }


class GANomalyModel(Model[GANomalySettings]):
    """E, G, E_hat, and D whose features x_hat must match."""

    def __init__(self, shape: tuple[int, ...], settings: GANomalySettings, generators: MemberGenerators) -> None:
        super().__init__(shape, settings, generators)
        k, width = settings.n_latent, settings.width
        self.D = discriminator(generators, shape, width)
        self.E = encoder(generators, shape, width, k)
        self.G = generator(generators, shape, width, k)
        self.E_hat = encoder(generators, shape, width, k)

    def players(self) -> tuple[Player, ...]:
        g = [*self.E.parameters(), *self.G.parameters(), *self.E_hat.parameters()]
        d = Player("D", [*self.D.parameters()], self.loss_d, self.settings.discriminator_lr_scale)
        return d, Player("G", g, self.loss_g)

    def codes(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """x (K, B, ...), as seen -> z, x_hat and z_hat."""
        z = self.E(x)
        x_hat = self.G(z)
        return z, x_hat, self.E_hat(x_hat)

    def loss_d(self, x: Tensor) -> Tensor:
        """Cross-entropy of x as real and x_hat as fake, (K,)."""
        x = self.preprocess(x)
        with torch.no_grad(), without_tracking(self.E, self.G):
            x_hat = self.G(self.E(x))
        return gan_discriminator_loss(self.D(x), self.D(x_hat))

    def loss_g(self, x: Tensor) -> Tensor:
        """w_adv |f(x) - f(x_hat)|^2 + w_con |x - x_hat|_1 + w_enc |z - z_hat|^2, means over units, section 3.2, (K,)."""
        s, x = self.settings, self.preprocess(x)
        z, x_hat, z_hat = self.codes(x)
        with without_tracking(self.D):
            adversarial = mean_squared_error(self.D.features(x), self.D.features(x_hat))
        residual = (x - x_hat).abs().flatten(2).mean(2)
        loss = s.adversarial_weight * adversarial + s.residual_weight * residual
        return (loss + s.latent_weight * mean_squared_error(z, z_hat)).mean(1)

    def score_terms(self, x: Tensor) -> dict[str, Tensor]:
        """|z - z_hat|_1 of equation 5, or the mean of its squares as in the released code."""
        z, _, z_hat = self.codes(self.preprocess(x))
        return {"latent": norm_distance(z, z_hat) if self.settings.distance == "l1" else mean_squared_error(z, z_hat)}

    def criterion(self, x: Tensor) -> Tensor:
        s, x = self.settings, self.preprocess(x)
        z, x_hat, z_hat = self.codes(x)
        return s.residual_weight * (x - x_hat).abs().flatten(2).mean(2) + s.latent_weight * mean_squared_error(z, z_hat)

    def reconstruct(self, x: Tensor) -> Tensor:
        x_hat: Tensor = self.G(self.E(self.preprocess(x)))
        return x_hat

    def symptoms(self, x: Tensor) -> dict[Symptom, Tensor]:
        return {_DISCRIMINATOR_WON: self.loss_d(x) < 0.02}


@dataclass(kw_only=True, eq=False, repr=False)
class GANomaly(TorchDetector[GANomalySettings]):
    """An encoder, a decoder and a second encoder; the score is how far the two codes lie apart.

    Parameters
    ----------
    n_latent : int, optional
        Length of z.
    width : int, optional
        Units of the first hidden layer, or channels of the first convolution.
    adversarial_weight, residual_weight, latent_weight : float, optional
        Weights of the three losses; 1, 50 and 1 in the released code.
    discriminator_lr_scale : float, optional
        D's learning rate, as a multiple of that of the others.
    distance : {"l1", "squares"}, optional
        Of the codes: the paper's, or the released code's.

    References
    ----------
    Akcay, Atapour-Abarghouei, Breckon, "GANomaly: Semi-Supervised Anomaly Detection via Adversarial Training",
    arXiv:1805.06725, ACCV 2018.

    Examples
    --------
    >>> import numpy as np
    >>> from egbad.detectors import GANomaly
    >>> X = np.random.default_rng(0).normal(size=(500, 4))
    >>> detector = GANomaly(steps=200, alpha=0.05, random_state=0).fit(X)
    >>> detector.predict(np.array([[0.0, 0.0, 0.0, 0.0], [99.0, -99.0, 99.0, -99.0]]))
    array([ 1, -1])
    """

    name: ClassVar[str] = "ganomaly"
    settings_type: ClassVar = GANomalySettings
    model_type: ClassVar = GANomalyModel
    recipes: ClassVar = {"default": default, "paper": paper}
    tunable: ClassVar = {
        "training__learning_rate": (3e-4, 1e-3, 3e-3),
        "n_latent": (8, 32, 64),
        "residual_weight": (10.0, 50.0),
    }

    n_latent: int | None = None
    width: int | None = None
    adversarial_weight: float | None = None
    residual_weight: float | None = None
    latent_weight: float | None = None
    discriminator_lr_scale: float | None = None
    distance: str | None = None
