"""ALAD: adversarially learned anomaly detection (Zenati et al., 2018, arXiv:1812.02288).

A BiGAN with two more discriminators, which hold E and G to each other: D_xx tells (x, x) from (x, G(E(x))), D_zz tells
(z, z) from (z, E(G(z))). Images meet D_xx channel on channel. Of all weights along the way those stay that rebuild
normal rows held out of training best; the released code watches the score instead, whose scale moves with D_xx.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from egbad.detectors.gan.detector import GANDetector
from egbad.detectors.gan.losses import cross_entropy_real, gan_discriminator_loss, gan_generator_loss, norm_distance
from egbad.detectors.gan.models import AdversarialModel, GANSettings
from egbad.detectors.gan.recipes import bigan_default
from egbad.nn.generators import MemberGenerators
from egbad.nn.layers import BatchNorm, Dropout, Linear, leaky, spectral_norm, without_tracking
from egbad.nn.networks import Discriminator, PairDiscriminator, discriminator, encoder, generator, pair_discriminator
from egbad.training.players import Player


class ALADSettings(GANSettings):
    """Every value decided."""

    networks: Literal["auto", "kdd99"] = "auto"
    spectral_norm: bool = False
    latent_cycle: bool = True
    cycle_weight: float = Field(default=0.0, ge=0)
    score_type: Literal["fm", "l1", "l2", "logits"] = "fm"


def default(shape: tuple[int, ...]) -> dict[str, Any]:
    """Values for encoded rows (d,) or images (c, h, w)."""
    values = {name: value for name, value in bigan_default(shape).items() if name != "degree"}
    return values | {
        "cycle_weight": 1.0,
        "discriminator_lr_scale": 0.5,
        "input_noise": 0.3,
        "preprocessing": {"range_guard": True},
        "early_stopping": {"criterion": "validation"},
    }


def paper(shape: tuple[int, ...]) -> dict[str, Any]:
    """The released code's for KDD99, columns unscaled as there; for images those for SVHN and CIFAR-10, but networks."""
    common = {"learning_rate_decay": False, "ema_warmup": False, "ema_decay": 0.999}
    if len(shape) == 1:
        return {
            "networks": "kdd99",
            "n_latent": 32,
            "width": 64,
            "preprocessing": {"scaling": "none"},
            "training": {**common, "learning_rate": 1e-5, "batch_size": 50, "epochs": 50},
            "early_stopping": {"criterion": "validation"},
        }
    return {
        "n_latent": 100,
        "width": 128,
        "dropout": 0.2,
        "spectral_norm": True,
        "training": {**common, "learning_rate": 2e-4, "batch_size": 32, "epochs": 100},
        "early_stopping": {"criterion": "validation"},
    }


def released_discriminators(
    generators: MemberGenerators, d: int, k: int
) -> tuple[PairDiscriminator, Discriminator, Discriminator]:
    """D_xz, D_xx and D_zz for rows (d,) and latents (k,) as released for KDD99."""
    x_side = nn.Sequential(Linear(generators, d, 128), BatchNorm(generators, 128), nn.LeakyReLU(0.2))
    z_side, joint = (released_side(generators, a, 128, 0.5) for a in (k, 256))
    d_xz = PairDiscriminator(x_side, z_side, joint, Linear(generators, 128, 1))
    d_xx = Discriminator(released_side(generators, 2 * d, 128, 0.2), Linear(generators, 128, 1))
    d_zz = Discriminator(released_side(generators, 2 * k, 32, 0.2), Linear(generators, 32, 1))
    return d_xz, d_xx, d_zz


def released_side(generators: MemberGenerators, a: int, b: int, dropout: float) -> nn.Sequential:
    """One hidden layer of those."""
    return nn.Sequential(Linear(generators, a, b), nn.LeakyReLU(0.2), Dropout(generators, dropout))


class ALADModel(AdversarialModel[ALADSettings]):
    """E, G, and the discriminators of (x, z), (x, x) and (z, z)."""

    def __init__(self, shape: tuple[int, ...], settings: ALADSettings, generators: MemberGenerators) -> None:
        super().__init__(shape, settings, generators)
        s, k = settings, settings.n_latent
        hidden = partial(nn.LeakyReLU, 0.2) if s.networks == "kdd99" else leaky
        self.E, self.G = encoder(generators, shape, s.width, k, hidden), generator(generators, shape, s.width, k)
        if s.networks == "kdd99":
            self.D_xz, self.D_xx, self.D_zz = released_discriminators(generators, shape[0], k)
        else:
            self.D_xz = pair_discriminator(generators, shape, k, s.width, s.dropout)
            self.D_xx = discriminator(generators, (2 * shape[0], *shape[1:]), s.width, s.dropout)
            self.D_zz = discriminator(generators, (2 * k,), max(8, s.width // 2), s.dropout)
        if s.spectral_norm:
            for player in (self.E, self.D_xz, self.D_xx, self.D_zz):
                spectral_norm(player, generators)

    def players(self) -> tuple[Player, ...]:
        s = self.settings
        d = [p for D in (self.D_xz, self.D_xx, self.D_zz) for p in D.parameters()]
        eg = [*self.E.parameters(), *self.G.parameters()]
        return Player("D", d, self.loss_d, s.discriminator_lr_scale), Player("EG", eg, self.loss_eg)

    def loss_d(self, x: Tensor) -> Tensor:
        """V_xz + V_xx + V_zz of section 3 for the three discriminators, which share no weight, (K,)."""
        x, z = self.preprocess(x), self.latent(x.shape[1])
        with torch.no_grad(), without_tracking(self.E, self.G):
            z_hat, x_gen = self.E(x), self.G(z)
            x_hat, z_back = self.G(z_hat), self.E(x_gen)
        loss = gan_discriminator_loss(self.D_xz(self.noisy(x), z_hat), self.D_xz(self.noisy(x_gen), z))
        loss = loss + gan_discriminator_loss(self.D_xx(pair(x, self.noisy(x))), self.D_xx(pair(x, self.noisy(x_hat))))
        if self.settings.latent_cycle:
            loss = loss + gan_discriminator_loss(self.D_zz(pair(z, z)), self.D_zz(pair(z, z_back)))
        return loss

    def loss_eg(self, x: Tensor) -> Tensor:
        """What E and G minimise, (K,): all labels swapped; the real pairs (x, x) and (z, z) say nothing to them."""
        x, z = self.preprocess(x), self.latent(x.shape[1])
        z_hat, x_gen = self.E(x), self.G(z)
        x_hat, z_back = self.G(z_hat), self.E(x_gen)
        with without_tracking(self.D_xz, self.D_xx, self.D_zz):
            loss = gan_generator_loss(self.D_xz(self.noisy(x), z_hat), self.D_xz(self.noisy(x_gen), z))
            loss = loss + gan_generator_loss(None, self.D_xx(pair(x, self.noisy(x_hat))))
            if self.settings.latent_cycle:
                loss = loss + gan_generator_loss(None, self.D_zz(pair(z, z_back)))
        if self.settings.cycle_weight:
            loss = loss + self.settings.cycle_weight * norm_distance(x, x_hat).mean(1)
        return loss

    def score_terms(self, x: Tensor) -> dict[str, Tensor]:
        """|f_xx(x, x) - f_xx(x, G(E(x)))|_1 of section 3.2, or one of the scores that it is compared with there."""
        kind, x_hat, seen = self.settings.score_type, self.reconstruct(x), self.preprocess(x)
        if kind in ("l1", "l2"):
            return {"residual": norm_distance(x, x_hat, 1 if kind == "l1" else 2)}
        f_hat = self.D_xx.features(pair(seen, x_hat))
        if kind == "logits":
            term = cross_entropy_real(self.D_xx.logit(f_hat))
        else:
            term = norm_distance(self.D_xx.features(pair(seen, seen)), f_hat)
        return {"features": term}

    def discriminator_logit(self, x: Tensor) -> Tensor:
        x = self.preprocess(x)
        logits: Tensor = self.D_xz(x, self.E(x))
        return logits

    def criterion(self, x: Tensor) -> Tensor:
        return norm_distance(self.preprocess(x), self.reconstruct(x))

    def reconstruct(self, x: Tensor) -> Tensor:
        x_hat: Tensor = self.G(self.E(self.preprocess(x)))
        return x_hat


def pair(a: Tensor, b: Tensor) -> Tensor:
    """Columns beside columns, channels on channels: (K, B, c, ...) twice -> (K, B, 2 c, ...)."""
    return torch.cat([a, b], dim=2)


@dataclass(kw_only=True, eq=False, repr=False)
class ALAD(GANDetector[ALADSettings]):
    """Adversarially learned anomaly detection: a BiGAN with cycle discriminators.

    Parameters
    ----------
    networks : {"auto", "kdd99"}, optional
        "auto" sizes them from the shape of the input; the others are those released for KDD99.
    spectral_norm : bool, optional
        Whether the weights of E and of the discriminators are divided by their largest singular value.
    latent_cycle : bool, optional
        Whether D_zz plays.
    cycle_weight : float, optional
        Weight of |x - G(E(x))|_1 in the loss of E and G; the paper has none.
    score_type : {"fm", "l1", "l2", "logits"}, optional
        Features of D_xx, the method's own; or the distance of x from G(E(x)), or the cross-entropy of D_xx's logit.

    References
    ----------
    Zenati, Romain, Foo, Lecouat, Chandrasekhar, "Adversarially Learned Anomaly Detection", arXiv:1812.02288, ICDM 2018.
    Miyato, Kataoka, Koyama, Yoshida, "Spectral Normalization for Generative Adversarial Networks", arXiv:1802.05957.

    Examples
    --------
    >>> import numpy as np
    >>> from egbad.detectors import ALAD
    >>> X = np.random.default_rng(0).normal(size=(500, 4))
    >>> detector = ALAD(steps=200, alpha=0.05, random_state=0).fit(X)
    >>> detector.predict(np.array([[0.0, 0.0, 0.0, 0.0], [99.0, -99.0, 99.0, -99.0]]))
    array([ 1, -1])
    """

    name: ClassVar[str] = "alad"
    settings_type: ClassVar = ALADSettings
    model_type: ClassVar = ALADModel
    recipes: ClassVar = {"default": default, "paper": paper}
    tunable: ClassVar = {"training__learning_rate": (3e-4, 1e-3, 3e-3), "score_type": ("fm", "l1", "l2", "logits")}

    spectral_norm: bool | None = None
    latent_cycle: bool | None = None
    cycle_weight: float | None = None
    score_type: str | None = None
