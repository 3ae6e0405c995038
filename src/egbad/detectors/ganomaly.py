"""GANomaly: an encoder, a decoder and a second encoder (Akcay et al., 2018, arXiv:1805.06725).

z = E(x), x_hat = G(z), z_hat = E_hat(x_hat). The score is the distance between z and z_hat.

Departures from the released code: scores are computed in eval mode, row by row, without scaling by the test set. The weights
with the lowest loss on held-out normal rows are kept. D learns from another batch than E, G and E_hat, and is not initialised
again when its loss is nearly zero. Networks have no batch normalisation, and images have values in [-1, 1]. The default recipe
has a range guard, and its own learning rate, batches and number of steps; ``recipe="paper"`` has the released ones.
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
from egbad.nn.ops import pad_rows
from egbad.training.health import Symptom
from egbad.training.players import Player

FEATURES_USELESS = Symptom(
    "the discriminator has won: its loss is nearly zero, so its features no longer describe normal samples",
    "Fit with a lower discriminator_lr_scale.",
    slowed_players=("D",),
)
_WON_LOSS = 0.02

# -- formulas ----------------------------------------------------------------------------------------------------------


def contextual_loss(x: Tensor, x_hat: Tensor) -> Tensor:
    """Return the mean of |x - x_hat| over units, equation 2 of the paper.

    Parameters
    ----------
    x, x_hat : Tensor of shape (K, B, ...)

    Returns
    -------
    Tensor of shape (K, B)
    """
    return (x - x_hat).abs().flatten(2).mean(2)


# -- the model ---------------------------------------------------------------------------------------------------------


class GANomalyModel(Model["GANomalySettings"]):
    """E, G, E_hat, and D, whose features of x_hat must match those of x."""

    def __init__(self, shape: tuple[int, ...], settings: "GANomalySettings", generators: MemberGenerators) -> None:
        super().__init__(shape, settings, generators)
        k, width = settings.n_latent, settings.width
        self.D = discriminator(generators, shape, width)
        self.E = encoder(generators, shape, width, k)
        self.G = generator(generators, shape, width, k)
        self.E_hat = encoder(generators, shape, width, k)

    def players(self) -> tuple[Player, ...]:
        """Return D, and E, G and E_hat as one player."""
        g = [*self.E.parameters(), *self.G.parameters(), *self.E_hat.parameters()]
        d = Player("D", [*self.D.parameters()], self.loss_d, self.settings.discriminator_lr_scale)
        return d, Player("G", g, self.loss_g)

    def encode_twice(self, x_in: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return z (K, B, k), x_hat (K, B, ...) and z_hat (K, B, k) of preprocessed x (K, B, ...)."""
        z = self.E(x_in)
        x_hat = self.G(z)
        return z, x_hat, self.E_hat(x_hat)

    def loss_d(self, x: Tensor) -> Tensor:
        """Return D's loss (K,) with x (K, B, ...) as real and x_hat as fake."""
        x = self.preprocess(x)
        with torch.no_grad(), without_tracking(self.E, self.G):
            x_hat = self.G(self.E(x))
        return gan_discriminator_loss(self.D(x), self.D(x_hat))

    def loss_g(self, x: Tensor) -> Tensor:
        """Return w_adv L_adv + w_con L_con + w_enc L_enc (K,) on x (K, B, ...), section 3.2 of the paper.

        L_adv = |f(x) - f(x_hat)|^2, L_con = |x - x_hat|_1, L_enc = |z - z_hat|^2, each a mean over units.
        """
        s, x = self.settings, self.preprocess(x)
        z = self.E(x)
        x_hat = self.G(z)
        padded = pad_rows(x_hat)  # once, for two networks
        z_hat = self.E_hat(padded)
        with without_tracking(self.D):
            adversarial = mean_squared_error(self.D.features(x), self.D.features(padded))
        loss = s.adversarial_weight * adversarial + s.residual_weight * contextual_loss(x, x_hat)
        return (loss + s.latent_weight * mean_squared_error(z, z_hat)).mean(1)

    def score_terms(self, x: Tensor) -> dict[str, Tensor]:
        """Return |z - z_hat|_1 (K, B) of x (K, B, ...), equation 5, or the mean of squares as in the released code."""
        z, _, z_hat = self.encode_twice(self.preprocess(x))
        return {"latent": norm_distance(z, z_hat) if self.settings.distance == "l1" else mean_squared_error(z, z_hat)}

    def criterion(self, x: Tensor) -> Tensor:
        """Return w_con L_con + w_enc L_enc (K, B) of x (K, B, ...)."""
        s, x = self.settings, self.preprocess(x)
        z, x_hat, z_hat = self.encode_twice(x)
        return s.residual_weight * contextual_loss(x, x_hat) + s.latent_weight * mean_squared_error(z, z_hat)

    def reconstruct(self, x: Tensor) -> Tensor:
        """Return G(E(x)), x (K, B, ...)."""
        x_hat: Tensor = self.G(self.E(self.preprocess(x)))
        return x_hat

    def symptoms(self, x: Tensor) -> dict[Symptom, Tensor]:
        """Return the symptoms (K,) of a failed training, seen on x (K, B, ...)."""
        return {FEATURES_USELESS: self.loss_d(x) < _WON_LOSS}


# -- settings and recipes ----------------------------------------------------------------------------------------------


class GANomalySettings(TorchSettings):
    """Settings of `GANomaly`."""

    n_latent: int = Field(ge=1)
    width: int = Field(ge=1)
    adversarial_weight: float = Field(default=1.0, ge=0)
    residual_weight: float = Field(default=50.0, ge=0)
    latent_weight: float = Field(default=1.0, ge=0)
    discriminator_lr_scale: float = Field(default=1.0, gt=0)
    distance: Literal["l1", "squares"] = "l1"


def default(shape: tuple[int, ...]) -> dict[str, Any]:
    """Return the default values for encoded rows (d,) or images (c, h, w)."""
    shared = bigan_default(shape)
    return {
        "width": shared["width"],
        # With as few latents as the data has dimensions, z_hat equals z for anomalies as well.
        "n_latent": 32 if len(shape) == 1 else 128,
        "discriminator_lr_scale": 0.5,
        "preprocessing": {"range_guard": True},
        "training": shared["training"],
        "early_stopping": {"criterion": "validation"},
    }


def paper(shape: tuple[int, ...]) -> dict[str, Any]:
    """Return the values of the released code; its networks are sized from the shape."""
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


# -- the detector ------------------------------------------------------------------------------------------------------


@dataclass(kw_only=True, eq=False, repr=False)
class GANomaly(TorchDetector[GANomalySettings]):
    """An encoder, a decoder and a second encoder; the score is the distance between the two latents.

    Parameters
    ----------
    n_latent : int, optional
        Length of z.
    width : int, optional
        Units of the first hidden layer, or channels of the first convolution.
    adversarial_weight : float, optional
        w_adv, the weight of the distance of D's features. 1 in the released code.
    residual_weight : float, optional
        w_con, the weight of ``|x - x_hat|_1``. 50 in the released code.
    latent_weight : float, optional
        w_enc, the weight of ``|z - z_hat|^2``. 1 in the released code.
    discriminator_lr_scale : float, optional
        Learning rate of D relative to that of its opponents.
    distance : {"l1", "squares"}, optional
        Distance of z and z_hat in the score: the L1 norm, as in the paper, or the mean of squares, as in the released code.
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
    settings_ : GANomalySettings
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
    Akcay, Atapour-Abarghouei, Breckon, "GANomaly: Semi-Supervised Anomaly Detection via Adversarial Training",
    arXiv:1805.06725, ACCV 2018.

    Examples
    --------
    >>> import numpy as np
    >>> from egbad.detectors import GANomaly
    >>> from egbad.training import TrainingConfig
    >>> X = np.random.default_rng(0).normal(size=(500, 4))
    >>> detector = GANomaly(training=TrainingConfig(steps=200), alpha=0.05, random_state=0).fit(X)
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
