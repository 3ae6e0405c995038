"""VAE: anomaly detection by reconstruction probability (An and Cho, 2015, SNU Data Mining Center, TR 2015-2).

E gives q(z given x) and G gives p(x given z), both Gaussian with diagonal covariance. The score is the negative
reconstruction probability, the mean of -log p(x given z) over samples from q(z given x), or the negative ELBO.

Departures: the variance of the decoder has a floor, without which constant columns drive the likelihood to infinity. Samples
from q(z given x) use the same random numbers for every row, so that a score is reproducible.
"""

from dataclasses import dataclass
from math import log, pi
from typing import Any, ClassVar, Literal

from pydantic import Field
from torch import Tensor

from egbad.detectors.base import Model, TorchDetector, TorchSettings
from egbad.nn.generators import MemberGenerators
from egbad.nn.networks import conv_generator, encoder, mlp, row_width
from egbad.nn.ops import softplus
from egbad.training.players import Player

# -- formulas ----------------------------------------------------------------------------------------------------------


def kl_to_prior(mu: Tensor, log_var: Tensor) -> Tensor:
    """Return KL(N(mu, exp(log_var)) || N(0, I)), appendix B of Kingma and Welling (2014).

    Parameters
    ----------
    mu, log_var : Tensor of shape (K, B, k)

    Returns
    -------
    Tensor of shape (K, B)
    """
    return 0.5 * (mu**2 + log_var.exp() - 1 - log_var).sum(2)


def log_likelihood(x: Tensor, mean: Tensor, var: Tensor) -> Tensor:
    """Return log N(x; mean, diag(var)).

    Parameters
    ----------
    x, mean, var : Tensor of shape (K, B, ...)

    Returns
    -------
    Tensor of shape (K, B)
    """
    return -0.5 * (((x - mean) ** 2) / var + var.log() + log(2 * pi)).flatten(2).sum(2)


# -- the model ---------------------------------------------------------------------------------------------------------


class VAEModel(Model["VAESettings"]):
    """E: x -> q(z given x) and G: z -> p(x given z)."""

    other_chunk_rows = (4, 32)  # scoring samples several z per row, so chunks of the usual size are large enough
    noise: Tensor

    def __init__(self, shape: tuple[int, ...], settings: "VAESettings", generators: MemberGenerators) -> None:
        super().__init__(shape, settings, generators)
        k, width = settings.n_latent, settings.width
        self.E = encoder(generators, shape, width, 2 * k)
        if len(shape) == 1:
            self.G = mlp(generators, (k, width, 2 * shape[0]))
        else:
            self.G = conv_generator(generators, (2 * shape[0], *shape[1:]), width, k)
        self.register_buffer("noise", generators.normal(settings.n_latent_samples, k))  # (K, L, k)

    def players(self) -> tuple[Player, ...]:
        """Return E and G as one player."""
        return (Player("ELBO", [*self.parameters()], self.loss),)

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return mu and log_var (K, B, k) of q(z given x), x (K, B, ...)."""
        mu, log_var = self.E(self.preprocess(x)).chunk(2, dim=2)
        return mu, log_var.clamp(-10, 10)

    def decode(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and variance (K, B, ...) of p(x given z), z (K, B, k)."""
        mean, raw_variance = self.G(z).chunk(2, dim=2)
        return mean, softplus(raw_variance) + self.settings.variance_floor

    def loss(self, x: Tensor) -> Tensor:
        """Return the negative ELBO (K,) of x (K, B, ...) with one sample of z per row."""
        mu, log_var = self.posterior(x)
        z = mu + (0.5 * log_var).exp() * self.generators.normal(*mu.shape[1:], per_row=True)
        return (kl_to_prior(mu, log_var) - log_likelihood(self.preprocess(x), *self.decode(z))).mean(1)

    def score_terms(self, x: Tensor) -> dict[str, Tensor]:
        """Return -1/L sum_l log p(x given z_l) (K, B) of x (K, B, ...), algorithm 4; for the ELBO also the KL divergence."""
        mu, log_var = self.posterior(x)
        z = mu.unsqueeze(1) + (0.5 * log_var).exp().unsqueeze(1) * self.noise.unsqueeze(2)  # (K, L, B, k)
        n_samples = self.noise.shape[1]
        decoded = self.decode(z.flatten(1, 2))  # all samples of all rows at once
        repeated = x.unsqueeze(1).expand(-1, n_samples, *x.shape[1:]).flatten(1, 2)
        terms = {"reconstruction": -log_likelihood(repeated, *decoded).view(len(x), n_samples, -1).mean(1)}
        return terms if self.settings.score_type != "elbo" else terms | {"divergence": kl_to_prior(mu, log_var)}

    def criterion(self, x: Tensor) -> Tensor:
        """Return -log p(x given z) (K, B) at the mean of q(z given x), x (K, B, ...)."""
        return -log_likelihood(self.preprocess(x), *self.decode(self.posterior(x)[0]))

    def reconstruct(self, x: Tensor) -> Tensor:
        """Return the mean of p(x given z) at the mean of q(z given x), x (K, B, ...)."""
        return self.decode(self.posterior(x)[0])[0]


# -- settings and recipes ----------------------------------------------------------------------------------------------


class VAESettings(TorchSettings):
    """Settings of `VAE`."""

    n_latent: int = Field(ge=1)
    width: int = Field(ge=1)
    variance_floor: float = Field(gt=0)
    score_type: Literal["reconstruction_probability", "elbo"] = "reconstruction_probability"
    n_latent_samples: int = Field(default=16, ge=1)


def default(shape: tuple[int, ...]) -> dict[str, Any]:
    """Return the default values for encoded rows (d,) or images (c, h, w)."""
    if len(shape) == 1:
        k, width = max(1, min(32, shape[0] // 2)), 2 * row_width(shape[0])
        training = {"learning_rate": 1e-3, "beta1": 0.9, "batch_size": 128, "steps": 3000}
        return {"n_latent": k, "width": width, "variance_floor": 1e-2, "training": training}
    training = {"learning_rate": 1e-3, "beta1": 0.9, "batch_size": 64, "steps": 800}
    return {"n_latent": 32, "width": 32, "variance_floor": 1e-2, "training": training}


def paper(shape: tuple[int, ...]) -> dict[str, Any]:
    """Return the paper's values for MNIST, used for all rows: 400 hidden units and 200 latents, quoted from memory."""
    return default(shape) | {"n_latent": 200, "width": 400 if len(shape) == 1 else 32}


# -- the detector ------------------------------------------------------------------------------------------------------


@dataclass(kw_only=True, eq=False, repr=False)
class VAE(TorchDetector[VAESettings]):
    """Variational autoencoder; the score is the negative reconstruction probability, or the negative ELBO.

    Parameters
    ----------
    n_latent : int, optional
        Length of z. Default 32, for rows at most half the number of encoded columns.
    width : int, optional
        Units of the hidden layers, or channels of the first convolution.
    variance_floor : float, optional
        Least variance of the decoder, in squared encoded units.
    score_type : {"reconstruction_probability", "elbo"}, optional
        Mean of -log p(x given z) over samples of z, or that plus the divergence of q(z given x) from the prior.
    n_latent_samples : int, optional
        L, the number of samples of z per score.
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
        Source of the values of parameters that are None. "default" is chosen for stability, "paper" follows the paper.
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
    settings_ : VAESettings
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
    An, Cho, "Variational Autoencoder based Anomaly Detection using Reconstruction Probability", SNU TR, 2015.
    Kingma, Welling, "Auto-Encoding Variational Bayes", arXiv:1312.6114, ICLR 2014.

    Examples
    --------
    >>> import numpy as np
    >>> from egbad.detectors import VAE
    >>> from egbad.training import TrainingConfig
    >>> X = np.random.default_rng(0).normal(size=(500, 4))
    >>> detector = VAE(training=TrainingConfig(steps=200), alpha=0.05, random_state=0).fit(X)
    >>> detector.predict(np.array([[0.0, 0.0, 0.0, 0.0], [9.0, -9.0, 9.0, -9.0]]))
    array([ 1, -1])
    """

    name: ClassVar[str] = "vae"
    settings_type: ClassVar = VAESettings
    model_type: ClassVar = VAEModel
    recipes: ClassVar = {"default": default, "paper": paper}
    tunable: ClassVar = {"training__learning_rate": (3e-4, 1e-3, 3e-3), "n_latent": (8, 32, 64)}

    n_latent: int | None = None
    width: int | None = None
    variance_floor: float | None = None
    score_type: str | None = None
    n_latent_samples: int | None = None
