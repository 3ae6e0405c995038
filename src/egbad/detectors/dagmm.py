"""DAGMM: an autoencoder and a Gaussian mixture learned together (Zong et al., 2018, ICLR).

The compression network says z, a code and two measures of how well it is rebuilt; the estimation network says which
of the mixture's components z belongs to; the energy is -log p(z). Departures: energies in double precision, by Cholesky
and log-sum-exp; the mixture that scores is settled over all training rows, not left over from the last batch; a guard for
rows outside the range of training, where relative distance and cosine no longer grow.
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

_JITTER = 1e-6  # on the diagonal of a covariance


# -- formulas ----------------------------------------------------------------------------------------------------------


def reconstruction_features(x: Tensor, x_hat: Tensor) -> Tensor:
    """Relative Euclidean distance |x - x_hat| / |x| and cosine similarity, (K, B, ...) -> (K, B, 2); section 3.2."""
    a, b = x.flatten(2), x_hat.flatten(2)
    far, norm = (torch.linalg.vector_norm(t, dim=2) for t in (a - b, a))
    norm = norm.clamp(min=1e-6)
    cosine = (a * b).sum(2) / (norm * torch.linalg.vector_norm(b, dim=2).clamp(min=1e-6))
    features: Tensor = torch.stack([far / norm, cosine], dim=2)
    return features


def mixture(z: Tensor, gamma: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """phi (K, M), mu (K, M, D) and cov (K, M, D, D) of z (K, B, D) with memberships gamma (K, B, M); equation 5."""
    total: Tensor = gamma.sum(1) + 1e-12  # (K, M)
    # Summed by hand, here and below: bits of small matrix products depend on what lies beside them.
    mu = (gamma[..., None] * z[:, :, None]).sum(1) / total[..., None]
    off = z[:, :, None] - mu[:, None]  # (K, B, M, D)
    cov = ((gamma[..., None] * off)[..., None] * off[..., None, :]).sum(1) / total[..., None, None]
    return total / z.shape[1], mu, cov + _JITTER * torch.eye(z.shape[2], dtype=z.dtype, device=z.device)


def whitening(phi: Tensor, cov: Tensor) -> tuple[Tensor, Tensor]:
    """What log phi_m N(z; mu_m, cov_m) needs of phi (K, M) and cov (K, M, D, D) -> inverse roots of cov, and constants (K, M)."""
    d = cov.shape[-1]
    more = -d % 8  # dimensions of their own behind z's, so that no gradient has bits by where a matrix lies in memory
    whole = F.pad(cov, (0, more, 0, more)) + F.pad(cov.new_ones(more), (d, 0)).diag()
    root = torch.linalg.cholesky_ex(whole).L  # what is no number stays none, and is seen to by who looks after members
    eye = torch.eye(d + more, dtype=cov.dtype, device=cov.device).expand_as(whole)
    inverse: Tensor = torch.linalg.solve_triangular(root, eye, upper=False)[..., :d, :d]  # (K, M, D, D)
    log_det = 2 * root.diagonal(dim1=-2, dim2=-1).log().sum(-1)  # (K, M)
    constant: Tensor = torch.log(phi + 1e-12) - 0.5 * (log_det + d * log(2 * pi))
    return inverse, constant


def log_joint(z: Tensor, mu: Tensor, inverse: Tensor, constant: Tensor) -> Tensor:
    """log phi_m N(z; mu_m, cov_m) for each component, z (K, B, D) -> (K, B, M); the last two are `whitening`'s."""
    off = z[:, :, None] - mu[:, None]  # (K, B, M, D)
    whitened = (inverse[:, None] * off[..., None, :]).sum(-1)
    joint: Tensor = constant[:, None] - 0.5 * (whitened**2).sum(-1)
    return joint


def energy(z: Tensor, mu: Tensor, inverse: Tensor, constant: Tensor) -> Tensor:
    """-log sum_m phi_m N(z; mu_m, cov_m), z (K, B, D) -> (K, B); equation 6."""
    return -torch.logsumexp(log_joint(z, mu, inverse, constant), dim=2)


# -- the model ---------------------------------------------------------------------------------------------------------


class DAGMMSettings(TorchSettings):
    """Every value decided."""

    estimator: Literal["direct", "nvi"] = "direct"
    n_latent: int = Field(ge=1)
    hidden: tuple[int, ...]
    n_components: int = Field(ge=1)
    dropout: float = Field(default=0.5, ge=0, lt=1)
    energy_weight: float = Field(default=0.1, ge=0)
    covariance_weight: float = Field(ge=0)


def default(shape: tuple[int, ...]) -> dict[str, Any]:
    """Values for encoded rows (d,) or images (c, h, w), whose `hidden` is the channels of the first convolution."""
    common = {"n_components": 4, "covariance_weight": 1e-4, "preprocessing": {"range_guard": True}}
    if len(shape) == 1:
        hidden = tuple(w for w in (60, 30, 10) if w < shape[0]) or (4 * shape[0],)
        training = {"learning_rate": 1e-3, "beta1": 0.9, "batch_size": 512, "steps": 3000}
        return {**common, "n_latent": min(2, shape[0]), "hidden": hidden, "training": training}
    training = {"learning_rate": 1e-3, "beta1": 0.9, "batch_size": 64, "steps": 800}
    return {**common, "n_latent": 32, "hidden": (32,), "training": training}


def paper(shape: tuple[int, ...]) -> dict[str, Any]:
    """The paper's for KDD99: batches of 1,024, one latent, 200 epochs, lambda_2 = 0.005, all rows, min-max columns."""
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


class DAGMMModel(Model[DAGMMSettings]):
    """E and G compress, `estimate` says the memberships; mu, inverse and constant are the mixture over the training rows."""

    mu: Tensor
    inverse: Tensor
    constant: Tensor

    def __init__(self, shape: tuple[int, ...], settings: DAGMMSettings, generators: MemberGenerators) -> None:
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
        phi, cov = torch.ones(len(generators), m).double() / m, torch.eye(d).double().expand(len(generators), m, d, d)
        self.register_buffer("mu", torch.zeros(len(generators), m, d).double())
        for name, value in zip(("inverse", "constant"), whitening(phi, cov), strict=True):
            self.register_buffer(name, value.clone())

    def players(self) -> tuple[Player, ...]:
        return (Player(self.settings.estimator, [*self.parameters()], self.loss),)

    def compress(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x (K, B, ...), as seen -> x_hat and z (K, B, k + 2), in double precision.

        Where the mixture is narrow, what single precision rounds in long sums would count.
        """
        code = self.E[-1](self.E[:-1](x).double())
        x_hat = self.G(code.float())
        return x_hat, torch.cat([code, reconstruction_features(x.double(), x_hat.double())], dim=2)

    def memberships(self, z: Tensor) -> Tensor:
        """log gamma (K, B, M), in double precision."""
        return torch.log_softmax(self.estimate(z.float()).double(), dim=2)

    def loss(self, x: Tensor) -> Tensor:
        """Mean |x - x_hat|^2 + lambda_1 mean energy + lambda_2 sum 1 / cov_jj, equation 7, (K,)."""
        s, x = self.settings, self.preprocess(x)
        x_hat, z = self.compress(x)
        log_gamma = self.memberships(z)
        if s.estimator == "direct":
            phi, mu, cov = mixture(z, log_gamma.exp())
            fit = energy(z, mu, *whitening(phi, cov)).mean(1)
        else:
            phi, mu, cov = mixture(z, log_gamma.exp().detach())
            fit = self.variational(log_joint(z, mu, *whitening(phi, cov)), log_gamma)
        rebuilt = ((x - x_hat) ** 2).flatten(2).sum(2).mean(1)
        narrow = (1 / cov.diagonal(dim1=-2, dim2=-1)).sum((1, 2))
        return rebuilt + (s.energy_weight * fit + s.covariance_weight * narrow).float()

    def variational(self, joint: Tensor, log_gamma: Tensor) -> Tensor:
        """Neural variational inference (Mnih and Gregor, 2014): the negative bound with one drawn component, (K,).

        joint and log_gamma (K, B, M). The bound is E_gamma[log phi_m N(z; m) - log gamma_m]. Its gradient through the
        choice of m is the learning signal, less the batch's mean of it, times that of log gamma_m.
        """
        chosen = self.choose(log_gamma)
        log_p, log_q = joint.gather(2, chosen).squeeze(2), log_gamma.gather(2, chosen).squeeze(2)
        signal = (log_p - log_q).detach()
        baseline = signal.mean(1, keepdim=True)
        return -(log_p + (signal - baseline) * log_q).mean(1)

    def choose(self, log_gamma: Tensor) -> Tensor:
        """m ~ gamma for every row, (K, B, M) -> (K, B, 1)."""
        u = self.generators.uniform(*log_gamma.shape[1:], per_row=True).double()
        gumbel = -torch.log(-torch.log(u.clamp(1e-12, 1 - 1e-7)))
        return (log_gamma.detach() + gumbel).argmax(2, keepdim=True)

    def finalize(self, chunks: Iterator[Tensor]) -> None:
        """The mixture over all training rows."""
        parts = [self.compress(self.preprocess(x))[1] for x in chunks]
        gammas = torch.cat([self.memberships(z).exp() for z in parts], dim=1)
        phi, mu, cov = mixture(torch.cat(parts, dim=1), gammas)
        self.mu.copy_(mu)
        for buffer, value in zip((self.inverse, self.constant), whitening(phi, cov), strict=True):
            buffer.copy_(value)

    def score_terms(self, x: Tensor) -> dict[str, Tensor]:
        """The energy of z."""
        z = self.compress(self.preprocess(x))[1]
        return {"energy": energy(z, self.mu, self.inverse, self.constant)}

    def reconstruct(self, x: Tensor) -> Tensor:
        x_hat: Tensor = self.G(self.E(self.preprocess(x)))
        return x_hat


@dataclass(kw_only=True, eq=False, repr=False)
class DAGMM(TorchDetector[DAGMMSettings]):
    """Deep autoencoding Gaussian mixture model; the score is the energy -log p(z).

    Parameters
    ----------
    estimator : {"direct", "nvi"}, optional
        How the estimation network learns: by the energy itself, or by neural variational inference (DAGMM-NVI).
    n_latent : int, optional
        Length of the code; z has two more entries.
    hidden : tuple of int, optional
        Units of the hidden layers of the compression network, or channels of the first convolution alone.
    n_components : int, optional
        Of the mixture.
    dropout : float, optional
        Share of the estimation network's units that are dropped while training, in [0, 1).
    energy_weight, covariance_weight : float, optional
        lambda_1 and lambda_2. The paper's lambda_2 of 0.005 inflates covariances where columns are standardised.

    References
    ----------
    Zong, Song, Min, Cheng, Lumezanu, Cho, Chen, "Deep Autoencoding Gaussian Mixture Model for Unsupervised Anomaly
    Detection", ICLR 2018.
    Mnih, Gregor, "Neural Variational Inference and Learning in Belief Networks", arXiv:1402.0030, ICML 2014.

    Examples
    --------
    >>> import numpy as np
    >>> from egbad.detectors import DAGMM
    >>> X = np.random.default_rng(0).normal(size=(500, 4))
    >>> detector = DAGMM(steps=200, alpha=0.05, random_state=0).fit(X)
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
