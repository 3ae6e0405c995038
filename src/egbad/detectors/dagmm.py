"""DAGMM: an autoencoder and a Gaussian mixture trained together (Zong et al., 2018, ICLR).

The compression network maps x to z: its code and two measures of the reconstruction error. The estimation network gives the
membership of z in each component of a Gaussian mixture. The score is the energy -log p(z).

Departures: energies are computed in double precision by Cholesky factors and log-sum-exp. Scores use the mixture of all
training rows, not that of the last batch. Outside the range of the training rows relative distance and cosine similarity no
longer grow, so the default recipe has a range guard.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import log, pi
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from egbad.detectors.base import Model, TorchDetector, TorchSettings, merge_settings
from egbad.nn.generators import MemberGenerators
from egbad.nn.layers import Dropout, Linear
from egbad.nn.networks import encoder, generator, mlp
from egbad.training.players import Player

_JITTER = 1e-6  # added to the diagonal of covariances
_BLOCK = 8  # covariances are padded to a multiple of it

# -- formulas ----------------------------------------------------------------------------------------------------------


def reconstruction_features(x: Tensor, x_hat: Tensor) -> Tensor:
    """Return the relative Euclidean distance |x - x_hat| / |x| and the cosine similarity, section 3.2 of the paper.

    Parameters
    ----------
    x, x_hat : Tensor of shape (K, B, ...)

    Returns
    -------
    Tensor of shape (K, B, 2)
    """
    a, b = x.flatten(2), x_hat.flatten(2)
    distance, norm = (torch.linalg.vector_norm(t, dim=2) for t in (a - b, a))
    norm = norm.clamp(min=1e-6)
    cosine = (a * b).sum(2) / (norm * torch.linalg.vector_norm(b, dim=2).clamp(min=1e-6))
    features: Tensor = torch.stack([distance / norm, cosine], dim=2)
    return features


def mixture(z: Tensor, gamma: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return weights, means and covariances of a Gaussian mixture, equation 5 of the paper.

    Sums are elementwise, here and below: the bits of small matrix products depend on the number of matrices.

    Parameters
    ----------
    z : Tensor of shape (K, B, D)
    gamma : Tensor of shape (K, B, M)
        Membership of each row in each of M components.

    Returns
    -------
    phi : Tensor of shape (K, M)
    mu : Tensor of shape (K, M, D)
    cov : Tensor of shape (K, M, D, D)
    """
    total: Tensor = gamma.sum(1) + 1e-12  # (K, M)
    mu = (gamma[..., None] * z[:, :, None]).sum(1) / total[..., None]
    centred = z[:, :, None] - mu[:, None]  # (K, B, M, D)
    cov = ((gamma[..., None] * centred)[..., None] * centred[..., None, :]).sum(1) / total[..., None, None]
    return total / z.shape[1], mu, cov + _JITTER * torch.eye(z.shape[2], dtype=z.dtype, device=z.device)


def whitening(phi: Tensor, cov: Tensor) -> tuple[Tensor, Tensor]:
    """Return the parts of log phi_m N(z; mu_m, cov_m) that do not depend on z.

    Parameters
    ----------
    phi : Tensor of shape (K, M)
    cov : Tensor of shape (K, M, D, D)

    Returns
    -------
    inverse : Tensor of shape (K, M, D, D)
        Inverse Cholesky factors of the covariances.
    constant : Tensor of shape (K, M)
        log phi_m - 1/2 log det(2 pi cov_m).
    """
    d = cov.shape[-1]
    n_padding = -d % _BLOCK  # so that the bits of gradients do not depend on the place of a matrix in memory
    padded = F.pad(cov, (0, n_padding, 0, n_padding)) + F.pad(cov.new_ones(n_padding), (d, 0)).diag()
    root = torch.linalg.cholesky_ex(padded).L  # NaN where it fails, which the health checks of training see
    eye = torch.eye(d + n_padding, dtype=cov.dtype, device=cov.device).expand_as(padded)
    inverse: Tensor = torch.linalg.solve_triangular(root, eye, upper=False)[..., :d, :d]
    log_det = 2 * root.diagonal(dim1=-2, dim2=-1).log().sum(-1)  # (K, M)
    constant: Tensor = torch.log(phi + 1e-12) - 0.5 * (log_det + d * log(2 * pi))
    return inverse, constant


def log_joint(z: Tensor, mu: Tensor, inverse: Tensor, constant: Tensor) -> Tensor:
    """Return log phi_m N(z; mu_m, cov_m) for each component m.

    Parameters
    ----------
    z : Tensor of shape (K, B, D)
    mu : Tensor of shape (K, M, D)
    inverse, constant : Tensor
        Of `whitening`.

    Returns
    -------
    Tensor of shape (K, B, M)
    """
    centred = z[:, :, None] - mu[:, None]  # (K, B, M, D)
    whitened = (inverse[:, None] * centred[..., None, :]).sum(-1)
    joint: Tensor = constant[:, None] - 0.5 * (whitened**2).sum(-1)
    return joint


def energy(z: Tensor, mu: Tensor, inverse: Tensor, constant: Tensor) -> Tensor:
    """Return -log sum_m phi_m N(z; mu_m, cov_m), equation 6 of the paper.

    Parameters
    ----------
    z : Tensor of shape (K, B, D)
    mu : Tensor of shape (K, M, D)
    inverse, constant : Tensor
        Of `whitening`.

    Returns
    -------
    Tensor of shape (K, B)
    """
    return -torch.logsumexp(log_joint(z, mu, inverse, constant), dim=2)


def variational_loss(joint: Tensor, log_gamma: Tensor, component: Tensor) -> Tensor:
    """Return the negative variational bound with one sampled component per row (Mnih and Gregor, 2014).

    The bound is E_gamma[log phi_m N(z; m) - log gamma_m]. Its gradient through the choice of m is that of log gamma_m times
    the learning signal, minus the signal's mean over the batch.

    Parameters
    ----------
    joint, log_gamma : Tensor of shape (K, B, M)
    component : Tensor of shape (K, B, 1)
        Sampled component m of each row.

    Returns
    -------
    Tensor of shape (K,)
    """
    log_p, log_q = joint.gather(2, component).squeeze(2), log_gamma.gather(2, component).squeeze(2)
    signal = (log_p - log_q).detach()
    baseline = signal.mean(1, keepdim=True)
    return -(log_p + (signal - baseline) * log_q).mean(1)


# -- the model ---------------------------------------------------------------------------------------------------------


class DAGMMModel(Model["DAGMMSettings"]):
    """Compression network E and G, estimation network, and the mixture of the training rows."""

    mu: Tensor
    inverse: Tensor
    constant: Tensor

    def __init__(self, shape: tuple[int, ...], settings: "DAGMMSettings", generators: MemberGenerators) -> None:
        super().__init__(shape, settings, generators)
        s, k, m = settings, settings.n_latent, settings.n_components
        if len(shape) == 1:
            self.E = mlp(generators, (*shape, *s.hidden, k), nn.Tanh)
            self.G = mlp(generators, (k, *reversed(s.hidden), *shape), nn.Tanh)
        else:
            self.E = encoder(generators, shape, s.hidden[0], k)
            self.G = generator(generators, shape, s.hidden[0], k)
        d = k + 2
        self.estimate = nn.Sequential(
            Linear(generators, d, 10), nn.Tanh(), Dropout(generators, s.dropout), Linear(generators, 10, m)
        )
        phi, cov = (
            torch.ones(len(generators), m, dtype=torch.float64) / m,
            torch.eye(d, dtype=torch.float64).expand(len(generators), m, d, d),
        )
        self.register_buffer("mu", torch.zeros(len(generators), m, d, dtype=torch.float64))
        for name, value in zip(("inverse", "constant"), whitening(phi, cov), strict=True):
            self.register_buffer(name, value.clone())

    def players(self) -> tuple[Player, ...]:
        """Return all networks as one player."""
        return (Player(self.settings.estimator, [*self.parameters()], self.loss),)

    def compress(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return x_hat (K, B, ...) and z (K, B, k + 2) of preprocessed x (K, B, ...).

        z is in double precision: where the mixture is narrow, the rounding of long sums in single precision matters.
        """
        code = self.E[-1](self.E[:-1](x).double())
        x_hat = self.G(code.float())
        return x_hat, torch.cat([code, reconstruction_features(x.double(), x_hat.double())], dim=2)

    def log_memberships(self, z: Tensor) -> Tensor:
        """Return log gamma (K, B, M) of z (K, B, k + 2), in double precision."""
        return torch.log_softmax(self.estimate(z.float()).double(), dim=2)

    def sample_components(self, log_gamma: Tensor) -> Tensor:
        """Sample m ~ gamma (K, B, 1) for every row, log_gamma (K, B, M)."""
        u = self.generators.uniform(*log_gamma.shape[1:], per_row=True).double()
        gumbel = -torch.log(-torch.log(u.clamp(1e-12, 1 - 1e-7)))
        return (log_gamma.detach() + gumbel).argmax(2, keepdim=True)

    def loss(self, x: Tensor) -> Tensor:
        """Return the mean of |x - x_hat|^2 + lambda_1 energy, plus lambda_2 sum_j 1 / cov_jj, equation 7, (K,)."""
        s, x = self.settings, self.preprocess(x)
        x_hat, z = self.compress(x)
        log_gamma = self.log_memberships(z)
        if s.estimator == "direct":
            phi, mu, cov = mixture(z, log_gamma.exp())
            mixture_loss = energy(z, mu, *whitening(phi, cov)).mean(1)
        else:
            phi, mu, cov = mixture(z, log_gamma.exp().detach())
            joint = log_joint(z, mu, *whitening(phi, cov))
            mixture_loss = variational_loss(joint, log_gamma, self.sample_components(log_gamma))
        residual = ((x - x_hat) ** 2).flatten(2).sum(2).mean(1)
        covariance_penalty = (1 / cov.diagonal(dim1=-2, dim2=-1)).sum((1, 2))
        return residual + (s.energy_weight * mixture_loss + s.covariance_weight * covariance_penalty).float()

    def finalize(self, chunks: Iterator[Tensor]) -> None:
        """Compute the mixture of all training rows from chunks (K, B, ...)."""
        z = [self.compress(self.preprocess(x))[1] for x in chunks]
        gamma = torch.cat([self.log_memberships(part).exp() for part in z], dim=1)
        phi, mu, cov = mixture(torch.cat(z, dim=1), gamma)
        self.mu.copy_(mu)
        for buffer, value in zip((self.inverse, self.constant), whitening(phi, cov), strict=True):
            buffer.copy_(value)

    def score_terms(self, x: Tensor) -> dict[str, Tensor]:
        """Return the energy (K, B) of z, x (K, B, ...)."""
        z = self.compress(self.preprocess(x))[1]
        return {"energy": energy(z, self.mu, self.inverse, self.constant)}

    def reconstruct(self, x: Tensor) -> Tensor:
        """Return G(E(x)), x (K, B, ...)."""
        x_hat: Tensor = self.G(self.E(self.preprocess(x)))
        return x_hat


# -- settings and recipes ----------------------------------------------------------------------------------------------


class DAGMMSettings(TorchSettings):
    """Settings of `DAGMM`."""

    estimator: Literal["direct", "nvi"] = "direct"
    n_latent: int = Field(ge=1)
    hidden: tuple[int, ...]
    n_components: int = Field(ge=1)
    dropout: float = Field(default=0.5, ge=0, lt=1)
    energy_weight: float = Field(default=0.1, ge=0)
    covariance_weight: float = Field(ge=0)


def default(shape: tuple[int, ...]) -> dict[str, Any]:
    """Return the default values for encoded rows (d,) or images (c, h, w)."""
    common = {"n_components": 4, "covariance_weight": 1e-4, "preprocessing": {"range_guard": True}}
    if len(shape) == 1:
        hidden = tuple(w for w in (60, 30, 10) if w < shape[0]) or (4 * shape[0],)
        training = {"learning_rate": 1e-3, "beta1": 0.9, "batch_size": 512, "steps": 3000}
        return {**common, "n_latent": min(2, shape[0]), "hidden": hidden, "training": training}
    training = {"learning_rate": 1e-3, "beta1": 0.9, "batch_size": 64, "steps": 800}
    return {**common, "n_latent": 32, "hidden": (32,), "training": training}


def paper(shape: tuple[int, ...]) -> dict[str, Any]:
    """Return the paper's values for KDD99, without a range guard."""
    kdd99 = {
        "n_latent": 1,
        "covariance_weight": 0.005,
        "preprocessing": {"scaling": "minmax", "range_guard": False},
        "training": {
            "learning_rate": 1e-4,
            "learning_rate_decay": False,
            "batch_size": 1024,
            "epochs": 200,
            "ema_decay": 0.0,
        },
    }
    return merge_settings(default(shape), kdd99)


# -- the detector ------------------------------------------------------------------------------------------------------


@dataclass(kw_only=True, eq=False, repr=False)
class DAGMM(TorchDetector[DAGMMSettings]):
    """Deep autoencoding Gaussian mixture model; the score is the energy -log p(z).

    Parameters
    ----------
    estimator : {"direct", "nvi"}, optional
        Training of the estimation network: by the energy itself, or by neural variational inference (DAGMM-NVI).
    n_latent : int, optional
        Length of the code; z has two more entries.
    hidden : tuple of int, optional
        Units of the hidden layers of the compression network; for images the channels of the first convolution alone.
    n_components : int, optional
        Number of components of the mixture.
    dropout : float, optional
        Fraction of the estimation network's units to drop during training, in [0, 1).
    energy_weight : float, optional
        lambda_1, the weight of the energy in the loss.
    covariance_weight : float, optional
        lambda_2, the weight of the inverse variances. The paper's 0.005 inflates covariances of standardised columns.
    training : TrainingConfig, optional
        Optimizer, batch size, steps, weight averaging and precision.
    early_stopping : EarlyStopping, optional
        This method has no validation loss: training uses all rows and the last weights, ``criterion="none"``.
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
    settings_ : DAGMMSettings
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
    Zong, Song, Min, Cheng, Lumezanu, Cho, Chen, "Deep Autoencoding Gaussian Mixture Model for Unsupervised Anomaly
    Detection", ICLR 2018.
    Mnih, Gregor, "Neural Variational Inference and Learning in Belief Networks", arXiv:1402.0030, ICML 2014.

    Examples
    --------
    >>> import numpy as np
    >>> from egbad.detectors import DAGMM
    >>> from egbad.training import TrainingConfig
    >>> X = np.random.default_rng(0).normal(size=(500, 4))
    >>> detector = DAGMM(training=TrainingConfig(steps=200), alpha=0.05, random_state=0).fit(X)
    >>> detector.predict(np.array([[0.0, 0.0, 0.0, 0.0], [99.0, -99.0, 99.0, -99.0]]))
    array([ 1, -1])
    """

    name: ClassVar[str] = "dagmm"
    settings_type: ClassVar = DAGMMSettings
    model_type: ClassVar = DAGMMModel
    recipes: ClassVar = {"default": default, "paper": paper}
    tunable: ClassVar = {
        "training__learning_rate": (3e-4, 1e-3, 3e-3),
        "n_components": (2, 4, 8),
        "estimator": ("direct", "nvi"),
    }

    estimator: str | None = None
    n_latent: int | None = None
    hidden: tuple[int, ...] | None = None
    n_components: int | None = None
    dropout: float | None = None
    energy_weight: float | None = None
    covariance_weight: float | None = None
