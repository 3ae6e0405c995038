"""f-AnoGAN: AnoGAN with an encoder in place of the search (Schlegl et al., 2019, Medical Image Analysis).

In the first stage of training a Wasserstein GAN with gradient penalty (Gulrajani et al., 2017) learns normal samples. In the
second, G and the critic D stay fixed and an encoder learns to invert G: by images ("izi"), by latents ("ziz"), or by images
and the critic's features ("izi_f"). The score is A(x) = A_R(x) + kappa A_D(x), section 2.3.

Departures: the released code has residual networks for 64 x 64 grey images, with layer normalisation in the critic and batch
normalisation in G and E; here networks without normalisation are sized from the shape of the input. The default recipe has
its own learning rates, numbers of steps, batches and latents, averages the weights and optimises E by Adam.

``recipe="paper"`` has the released values. RMSProp, the optimizer of E, is Adam without momentum (beta1 = 0, beta2 = 0.9),
whose updates differ in the first steps only: the bias of the mean square is corrected, where TensorFlow starts it at 1. Rows,
which the paper does not have, are standardised and have the same values.
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

# -- formulas ----------------------------------------------------------------------------------------------------------


def gradient_penalty(gradient: Tensor) -> Tensor:
    """Return (|gradient| - 1)^2 for gradients of the critic between real and generated samples; Gulrajani et al. (2017).

    Parameters
    ----------
    gradient : Tensor of shape (K, B, ...)

    Returns
    -------
    Tensor of shape (K, B)
    """
    length: Tensor = torch.linalg.vector_norm(gradient.flatten(2), dim=2)
    return (length - 1) ** 2


# -- the model ---------------------------------------------------------------------------------------------------------


class FAnoGANModel(AdversarialModel["FAnoGANSettings"]):
    """G against the critic D, and E that inverts G."""

    def __init__(self, shape: tuple[int, ...], settings: "FAnoGANSettings", generators: MemberGenerators) -> None:
        super().__init__(shape, settings, generators)
        s = settings
        self.D = discriminator(generators, shape, s.width, s.dropout)
        self.G = generator(generators, shape, s.width, s.n_latent)
        self.E = encoder(generators, shape, s.width, s.n_latent)

    def stages(self) -> tuple[tuple[Player, ...], ...]:
        """Return the critic and G for the first stage, E for the second."""
        s = self.settings
        critic = Player("D", [*self.D.parameters()], self.loss_d, s.discriminator_lr_scale, n_updates=s.n_critic)
        g = Player("G", [*self.G.parameters()], self.loss_g)
        return (critic, g), (Player("E", [*self.E.parameters()], self.loss_e),)

    def loss_d(self, x: Tensor) -> Tensor:
        """Return the critic's loss E[D(G(z))] - E[D(x)] + penalty, (K,), on x (K, B, ...)."""
        x = self.add_input_noise(self.preprocess(x))
        with torch.no_grad():
            x_gen = self.add_input_noise(self.G(self.sample_latent(x.shape[1])))
        epsilon = self.generators.uniform(x.shape[1], per_row=True).view(*x.shape[:2], *[1] * (x.dim() - 2))
        between = (epsilon * x + (1 - epsilon) * x_gen).requires_grad_()
        with torch.enable_grad():
            (gradient,) = torch.autograd.grad(self.D(between).sum(), [between], create_graph=True)
        penalty = self.settings.penalty_weight * gradient_penalty(gradient)
        loss: Tensor = self.D(x_gen) - self.D(x) + penalty
        return loss.mean(1)

    def loss_g(self, x: Tensor) -> Tensor:
        """Return G's loss -E[D(G(z))], (K,), for as many samples as x (K, B, ...) has rows."""
        critic: Tensor = self.D(self.add_input_noise(self.G(self.sample_latent(x.shape[1]))))
        return -critic.mean(1)

    def loss_e(self, x: Tensor) -> Tensor:
        """Return the encoder's loss (K,) on x (K, B, ...) for the chosen mapping, section 2.2 of the paper."""
        s = self.settings
        with frozen(self.G, self.D):
            if s.mapping == "ziz":
                z = self.sample_latent(x.shape[1])
                return mean_squared_error(z, self.E(self.G(z))).mean(1)
            residual, features = self.distances(self.preprocess(x), self.preprocess(x))
        loss = residual.mean(1)
        return loss if s.mapping == "izi" else loss + s.feature_weight * features.mean(1)

    def distances(self, x: Tensor, x_in: Tensor) -> tuple[Tensor, Tensor]:
        """Return the mean squared errors (K, B) between x and G(E(x)) and between f(x) and f(G(E(x))).

        Parameters
        ----------
        x : Tensor of shape (K, B, ...)
        x_in : Tensor of shape (K, B, ...)
            x as the networks see it.

        Returns
        -------
        tuple of two Tensors of shape (K, B)
        """
        x_hat = self.G(self.E(x_in))
        return mean_squared_error(x, x_hat), mean_squared_error(self.D.features(x_in), self.D.features(x_hat))

    def score_terms(self, x: Tensor) -> dict[str, Tensor]:
        """Return A_R(x) and kappa A_D(x) (K, B) of x (K, B, ...), section 2.3, for every mapping."""
        residual, features = self.distances(x, self.preprocess(x))
        return {"residual": residual, "features": self.settings.feature_weight * features}

    def criterion(self, x: Tensor) -> Tensor:
        """Return the mean squared error (K, B) of the reconstruction of x (K, B, ...)."""
        return self.distances(self.preprocess(x), self.preprocess(x))[0]

    def reconstruct(self, x: Tensor) -> Tensor:
        """Return G(E(x)), x (K, B, ...)."""
        x_hat: Tensor = self.G(self.E(self.preprocess(x)))
        return x_hat

    def discriminator_logit(self, x: Tensor) -> Tensor:
        """Return the critic's output (K, B) for x (K, B, ...)."""
        logits: Tensor = self.D(self.preprocess(x))
        return logits

    def symptoms(self, x: Tensor) -> dict[Symptom, Tensor]:
        """Return the symptoms (K,) of a failed training. A critic's loss has no lower bound that shows it has won."""
        return {GENERATOR_COLLAPSED: self.generator_collapsed(x), DISCRIMINATOR_DEAD: self.discriminator_dead(x)}


# -- settings and recipes ----------------------------------------------------------------------------------------------


class FAnoGANSettings(GANSettings):
    """Settings of `FAnoGAN`."""

    networks: Literal["auto"] = "auto"
    mapping: Literal["izi_f", "izi", "ziz"] = "izi_f"
    feature_weight: float = Field(default=1.0, ge=0)
    n_critic: int = Field(default=5, ge=1)
    penalty_weight: float = Field(default=10.0, ge=0)
    encoder_steps: int = Field(ge=0)
    encoder_learning_rate: float = Field(gt=0)
    encoder_beta1: float = Field(default=0.9, ge=0, lt=1)
    encoder_beta2: float = Field(default=0.999, ge=0, lt=1)


def default(shape: tuple[int, ...]) -> dict[str, Any]:
    """Return the default values for encoded rows (d,) or images (c, h, w).

    beta1 = 0 is that of Gulrajani et al. (2017): a critic changes too fast for momentum.
    """
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
    """Return the values of the released code.

    In its seven epochs the critic sees every image seven times, in five updates per update of G: 7/5 epochs of G's steps.
    """
    own = {
        "n_latent": 128,
        "width": 64,
        "encoder_steps": 50_000,
        "encoder_learning_rate": 5e-5,
        "encoder_beta1": 0.0,
        "encoder_beta2": 0.9,
        "training": {
            "learning_rate": 1e-4,
            "learning_rate_decay": False,
            "batch_size": 64,
            "epochs": 7 / 5,
            "ema_decay": 0.0,
        },
    }
    return merge_settings(default(shape), own)


# -- the detector ------------------------------------------------------------------------------------------------------


@dataclass(kw_only=True, eq=False, repr=False)
class FAnoGAN(GANDetector[FAnoGANSettings]):
    """Fast AnoGAN: a Wasserstein GAN, and an encoder that inverts its generator.

    Parameters
    ----------
    mapping : {"izi_f", "izi", "ziz"}, optional
        Training of the encoder: x -> z -> x with the critic's features, the same without them, or z -> x -> z.
    feature_weight : float, optional
        kappa, the weight of the features in the encoder's loss and in the score.
    n_critic : int, optional
        Updates of the critic per update of G.
    penalty_weight : float, optional
        Weight of the gradient penalty.
    encoder_steps : int, optional
        Steps of the second stage. ``training=TrainingConfig(steps=...)`` sets those of the first.
    encoder_learning_rate : float, optional
        Learning rate of Adam in the second stage.
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
    settings_ : FAnoGANSettings
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
    Schlegl, Seeboeck, Waldstein, Langs, Schmidt-Erfurth, "f-AnoGAN: Fast Unsupervised Anomaly Detection with Generative
    Adversarial Networks", Medical Image Analysis, 2019.
    Gulrajani, Ahmed, Arjovsky, Dumoulin, Courville, "Improved Training of Wasserstein GANs", arXiv:1704.00028.

    Examples
    --------
    >>> import numpy as np
    >>> from egbad.detectors import FAnoGAN
    >>> from egbad.training import TrainingConfig
    >>> X = np.random.default_rng(0).normal(size=(500, 4))
    >>> detector = FAnoGAN(training=TrainingConfig(steps=100), encoder_steps=100, alpha=0.05, random_state=0).fit(X)
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
        gan = s.training.schedule(n)
        encoder_stage = replace(
            gan,
            steps=s.encoder_steps,
            learning_rate=s.encoder_learning_rate,
            beta1=s.encoder_beta1,
            beta2=s.encoder_beta2,
        )
        return replace(gan, beta2=0.9), encoder_stage
