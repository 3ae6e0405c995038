"""ALAD: adversarially learned anomaly detection (Zenati et al., 2018, arXiv:1812.02288).

A BiGAN with two more discriminators, which make E and G invert each other: D_xx distinguishes (x, x) from (x, G(E(x))) and
D_zz distinguishes (z, z) from (z, E(G(z))). The score is the distance of D_xx's features of (x, x) and (x, G(E(x))).

Departures: images are paired by stacking their channels. The weights with the lowest reconstruction error on held-out normal
rows are kept; the released code watches the score instead, whose scale changes with D_xx. The default recipe adds cycle
consistency |x - G(E(x))|_1, noise on D's view of x, and a range guard, and has its own networks, learning rates, batches and
scaling of columns. `recipe="paper"` has the released values; its networks for images are sized from the shape, since the
released ones, with batch normalisation, are for 32 x 32 colour images only.
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

# -- formulas ----------------------------------------------------------------------------------------------------------


def pair(a: Tensor, b: Tensor) -> Tensor:
    """Concatenate the columns of two rows or the channels of two images.

    Parameters
    ----------
    a, b : Tensor of shape (K, B, c, ...)

    Returns
    -------
    Tensor of shape (K, B, 2 c, ...)
    """
    return torch.cat([a, b], dim=2)


# -- the networks released for KDD99 -----------------------------------------------------------------------------------


def released_discriminators(
    generators: MemberGenerators, d: int, k: int
) -> tuple[PairDiscriminator, Discriminator, Discriminator]:
    """Return D_xz, D_xx and D_zz for rows (d,) and latents (k,), as released for KDD99.

    Parameters
    ----------
    generators : MemberGenerators
    d, k : int

    Returns
    -------
    tuple of PairDiscriminator, Discriminator and Discriminator
    """
    x_side = nn.Sequential(Linear(generators, d, 128), BatchNorm(generators, 128), nn.LeakyReLU(0.2))
    z_side, joint = (_released_layer(generators, n_in, 128, 0.5) for n_in in (k, 256))
    d_xz = PairDiscriminator(x_side, z_side, joint, Linear(generators, 128, 1))
    d_xx = Discriminator(_released_layer(generators, 2 * d, 128, 0.2), Linear(generators, 128, 1))
    d_zz = Discriminator(_released_layer(generators, 2 * k, 32, 0.2), Linear(generators, 32, 1))
    return d_xz, d_xx, d_zz


def _released_layer(generators: MemberGenerators, n_in: int, n_out: int, dropout: float) -> nn.Sequential:
    """Return a hidden layer of the released discriminators."""
    return nn.Sequential(Linear(generators, n_in, n_out), nn.LeakyReLU(0.2), Dropout(generators, dropout))


# -- the model ---------------------------------------------------------------------------------------------------------


class ALADModel(AdversarialModel["ALADSettings"]):
    """E, G, and the discriminators of (x, z), (x, x) and (z, z)."""

    def __init__(self, shape: tuple[int, ...], settings: "ALADSettings", generators: MemberGenerators) -> None:
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
            for network in (self.E, self.D_xz, self.D_xx, self.D_zz):
                spectral_norm(network, generators)

    def players(self) -> tuple[Player, ...]:
        """Return the discriminators as one player, and E and G as another."""
        discriminators = (self.D_xz, self.D_xx, *((self.D_zz,) if self.settings.latent_cycle else ()))
        d = [p for D in discriminators for p in D.parameters()]
        eg = [*self.E.parameters(), *self.G.parameters()]
        return Player("D", d, self.loss_d, self.settings.discriminator_lr_scale), Player("EG", eg, self.loss_eg)

    def loss_d(self, x: Tensor) -> Tensor:
        """Return V_xz + V_xx + V_zz (K,) of section 3 on x (K, B, ...); the discriminators share no weights."""
        x, z, noisy = self.preprocess(x), self.sample_latent(x.shape[1]), self.add_input_noise
        with torch.no_grad(), without_tracking(self.E, self.G):
            z_hat, x_gen = self.E(x), self.G(z)
            x_hat, z_cycle = self.G(z_hat), self.E(x_gen)
        loss = gan_discriminator_loss(self.D_xz(noisy(x), z_hat), self.D_xz(noisy(x_gen), z))
        loss = loss + gan_discriminator_loss(self.D_xx(pair(x, noisy(x))), self.D_xx(pair(x, noisy(x_hat))))
        if self.settings.latent_cycle:
            loss = loss + gan_discriminator_loss(self.D_zz(pair(z, z)), self.D_zz(pair(z, z_cycle)))
        return loss

    def loss_eg(self, x: Tensor) -> Tensor:
        """Return the loss (K,) of E and G on x (K, B, ...): all labels swapped.

        The real pairs (x, x) and (z, z) do not depend on E and G.
        """
        x, z, noisy = self.preprocess(x), self.sample_latent(x.shape[1]), self.add_input_noise
        z_hat, x_gen = self.E(x), self.G(z)
        x_hat, z_cycle = self.G(z_hat), self.E(x_gen)
        with without_tracking(self.D_xz, self.D_xx, self.D_zz):
            loss = gan_generator_loss(self.D_xz(noisy(x), z_hat), self.D_xz(noisy(x_gen), z))
            loss = loss + gan_generator_loss(None, self.D_xx(pair(x, noisy(x_hat))))
            if self.settings.latent_cycle:
                loss = loss + gan_generator_loss(None, self.D_zz(pair(z, z_cycle)))
        if self.settings.cycle_weight:
            loss = loss + self.settings.cycle_weight * norm_distance(x, x_hat).mean(1)
        return loss

    def score_terms(self, x: Tensor) -> dict[str, Tensor]:
        """Return |f_xx(x, x) - f_xx(x, G(E(x)))|_1 of x (K, B, ...), or another score of section 3.2, (K, B)."""
        score_type, x_hat, x_in = self.settings.score_type, self.reconstruct(x), self.preprocess(x)
        if score_type in ("l1", "l2"):
            return {"residual": norm_distance(x, x_hat, 1 if score_type == "l1" else 2)}
        f_hat = self.D_xx.features(pair(x_in, x_hat))
        if score_type == "logits":
            return {"features": cross_entropy_real(self.D_xx.logit(f_hat))}
        return {"features": norm_distance(self.D_xx.features(pair(x_in, x_in)), f_hat)}

    def discriminator_logit(self, x: Tensor) -> Tensor:
        """Return the logits (K, B) of D_xz of (x, E(x)), x (K, B, ...)."""
        x = self.preprocess(x)
        logits: Tensor = self.D_xz(x, self.E(x))
        return logits

    def criterion(self, x: Tensor) -> Tensor:
        """Return |x - G(E(x))|_1 (K, B) of x (K, B, ...)."""
        return norm_distance(self.preprocess(x), self.reconstruct(x))

    def reconstruct(self, x: Tensor) -> Tensor:
        """Return G(E(x)), x (K, B, ...)."""
        x_hat: Tensor = self.G(self.E(self.preprocess(x)))
        return x_hat


# -- settings and recipes ----------------------------------------------------------------------------------------------


class ALADSettings(GANSettings):
    """Settings of `ALAD`."""

    networks: Literal["auto", "kdd99"] = "auto"
    spectral_norm: bool = False
    latent_cycle: bool = True
    cycle_weight: float = Field(default=0.0, ge=0)
    score_type: Literal["fm", "l1", "l2", "logits"] = "fm"


def default(shape: tuple[int, ...]) -> dict[str, Any]:
    """Return the default values for encoded rows (d,) or images (c, h, w)."""
    values = {name: value for name, value in bigan_default(shape).items() if name != "degree"}
    return values | {
        "cycle_weight": 1.0,
        "discriminator_lr_scale": 0.5,
        "input_noise": 0.3,
        "preprocessing": {"range_guard": True},
        "early_stopping": {"criterion": "validation"},
    }


def paper(shape: tuple[int, ...]) -> dict[str, Any]:
    """Return the released values: for rows those for KDD99, for images those for SVHN and CIFAR-10.

    KDD99 columns are not scaled in the released code. The released networks for images are not here.
    """
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


# -- the detector ------------------------------------------------------------------------------------------------------


@dataclass(kw_only=True, eq=False, repr=False)
class ALAD(GANDetector[ALADSettings]):
    """Adversarially learned anomaly detection: a BiGAN with cycle discriminators.

    Parameters
    ----------
    spectral_norm : bool, optional
        Divide the weights of E and of the discriminators by their largest singular value.
    latent_cycle : bool, optional
        Train with D_zz.
    cycle_weight : float, optional
        Weight of ``|x - G(E(x))|_1`` in the loss of E and G. The paper has no such term.
    score_type : {"fm", "l1", "l2", "logits"}, optional
        "fm" is the method's own score, the distance of D_xx's features. "l1" and "l2" are norms of x - G(E(x)),
        "logits" is the cross-entropy of D_xx's logit of (x, G(E(x))).
    n_latent : int, optional
        Length of z. Default 32, for rows at most half the number of encoded columns.
    width : int, optional
        Units of the first hidden layer, or channels of the first convolution.
    dropout : float, optional
        Fraction of D's units to drop during training, in [0, 1).
    input_noise : float, optional
        Standard deviation of the noise that is added to D's input, in encoded units.
    discriminator_lr_scale : float, optional
        Learning rate of D relative to that of its opponents.
    training : TrainingConfig, optional
        Optimizer, batch size, steps, weight averaging and precision.
    early_stopping : EarlyStopping, optional
        Choice of the best weights by rows held out of training, and of the end of training.
    backbone : str or Backbone, optional
        Frozen network whose features of images are learned in place of pixels, such as "efficientnet_lite0".
    features : {"global", "patches"}, default="global"
        A vector for each image, or one for each patch; the score is then that of the most anomalous patches.
    feature_config : FeatureConfig, optional
        Size of the images, layers and scaling of the features.
    recipe : {"default", "paper"}, default="default"
        Source of the values of parameters that are None. "default" is chosen for stability, "paper" follows the paper and
        its released code.
    preprocessing : Preprocessing, optional
        Scaling, duplicates, range guard and trimming.
    members : int, default=1
        Number of networks trained side by side from different seeds. The score is their mean.
    device : str, default="auto"
        Device of training and scoring: "cpu", "cuda", or "auto" for the GPU where there is one. A detector that was
        trained on a GPU scores on the CPU where there is none.
    alpha : float, default=0.01
        False-alarm rate of `predict`, in (0, 1).
    calibration_fraction : float, default=0.1
        Fraction of the rows that `fit` holds out of training to set the threshold, in (0, 1).
    n_exemplars : int, default=256
        Number of training images or calibration rows of tables that the model keeps, for reports and drift. 0 keeps none.
    random_state : int, RandomState, Generator or None, default=None
        Seed of all random numbers. None draws a seed, which `seed_` holds.
    verbose : bool, default=False
        Show a progress bar on a terminal and in a notebook, or lines on stderr.

    Attributes
    ----------
    settings_ : ALADSettings
        The values that recipe and parameters resolve to.
    threshold_ : float
        Scores above it are anomalies.
    seed_ : int
        The seed that `random_state` gave.
    history_ : dict of str to ndarray
        Training curves: "step" of shape (n_records,), and the loss of each player of shape (n_records, members).
    health_ : list of str
        Problems in training and what was done about them, one sentence each.

    References
    ----------
    Zenati, Romain, Foo, Lecouat, Chandrasekhar, "Adversarially Learned Anomaly Detection", arXiv:1812.02288, ICDM 2018.
    Miyato, Kataoka, Koyama, Yoshida, "Spectral Normalization for Generative Adversarial Networks", arXiv:1802.05957.

    Examples
    --------
    >>> import numpy as np
    >>> from egbad.detectors import ALAD
    >>> from egbad.training import TrainingConfig
    >>> X = np.random.default_rng(0).normal(size=(500, 4))
    >>> detector = ALAD(training=TrainingConfig(steps=200), alpha=0.05, random_state=0).fit(X)
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
