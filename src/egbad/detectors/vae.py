"""VAE: anomaly detection by reconstruction probability (An and Cho, 2015, SNU Data Mining Center, TR 2015-2).

Departures: a floor under the decoder's variance, without which columns that never move drive the likelihood to
infinity; the draws from q(z given x) use the same random numbers for every row, so that a score repeats.
"""

from dataclasses import dataclass
from math import log, pi
from typing import Any, ClassVar, Literal

from pydantic import Field
from torch import Tensor
from torch.nn.functional import softplus

from egbad.detectors.base import Model, TorchDetector, TorchSettings
from egbad.nn.generators import MemberGenerators
from egbad.nn.networks import conv_generator, encoder, mlp, row_width
from egbad.training.players import Player


def kl_to_prior(mu: Tensor, log_var: Tensor) -> Tensor:
    """KL(N(mu, exp(log_var)) || N(0, I)), (K, B, k) -> (K, B)."""
    return 0.5 * (mu**2 + log_var.exp() - 1 - log_var).sum(2)


def log_likelihood(x: Tensor, mean: Tensor, var: Tensor) -> Tensor:
    """log N(x; mean, diag(var)) over all units, (K, B, ...) -> (K, B)."""
    return -0.5 * (((x - mean) ** 2) / var + var.log() + log(2 * pi)).flatten(2).sum(2)


class VAESettings(TorchSettings):
    """Every value decided."""

    n_latent: int = Field(ge=1)
    width: int = Field(ge=1)
    variance_floor: float = Field(gt=0)
    score_type: Literal["reconstruction_probability", "elbo"] = "reconstruction_probability"
    n_latent_samples: int = Field(default=16, ge=1)


def default(shape: tuple[int, ...]) -> dict[str, Any]:
    """Values for encoded rows (d,) or images (c, h, w)."""
    if len(shape) == 1:
        k, width = max(1, min(32, shape[0] // 2)), 2 * row_width(shape[0])
        training = {"learning_rate": 1e-3, "beta1": 0.9, "batch_size": 128, "steps": 3000}
        return {"n_latent": k, "width": width, "variance_floor": 1e-2, "training": training}
    training = {"learning_rate": 1e-3, "beta1": 0.9, "batch_size": 64, "steps": 800}
    return {"n_latent": 32, "width": 32, "variance_floor": 1e-2, "training": training}


def paper(shape: tuple[int, ...]) -> dict[str, Any]:
    """One hidden layer of 400 units on each side and 200 latents, remembered for the paper's MNIST and used for rows."""
    return default(shape) | {"n_latent": 200, "width": 400 if len(shape) == 1 else 32}


class VAEModel(Model[VAESettings]):
    """E: x -> q(z given x), G: z -> p(x given z), both Gaussian."""

    other_chunk_rows = (4, 32)  # a row is many rows to the networks: chunks are large as they are
    noise: Tensor

    def __init__(self, shape: tuple[int, ...], settings: VAESettings, generators: MemberGenerators) -> None:
        super().__init__(shape, settings, generators)
        k, width = settings.n_latent, settings.width
        self.E = encoder(generators, shape, width, 2 * k)
        if len(shape) == 1:
            self.G = mlp(generators, (k, width, 2 * shape[0]))
        else:
            self.G = conv_generator(generators, (2 * shape[0], *shape[1:]), width, k)
        self.register_buffer("noise", generators.normal(settings.n_latent_samples, k))  # (K, L, k)

    def players(self) -> tuple[Player, ...]:
        return (Player("ELBO", [*self.parameters()], self.loss),)

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """mu and log_var of q(z given x), each (K, B, k)."""
        mu, log_var = self.E(self.preprocess(x)).chunk(2, dim=2)
        return mu, log_var.clamp(-10, 10)

    def decode(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and variance of p(x given z), each (K, B, ...)."""
        mean, raw = self.G(z).chunk(2, dim=2)
        return mean, softplus(raw) + self.settings.variance_floor

    def loss(self, x: Tensor) -> Tensor:
        """The negative ELBO with one draw of z, (K,)."""
        mu, log_var = self.posterior(x)
        z = mu + (0.5 * log_var).exp() * self.generators.normal(*mu.shape[1:], per_row=True)
        return (kl_to_prior(mu, log_var) - log_likelihood(self.preprocess(x), *self.decode(z))).mean(1)

    def score_terms(self, x: Tensor) -> dict[str, Tensor]:
        """-1/L sum_l log p(x given z_l), algorithm 4 of the paper; and with it KL(q || p(z)) for the ELBO."""
        mu, log_var = self.posterior(x)
        z = mu.unsqueeze(1) + (0.5 * log_var).exp().unsqueeze(1) * self.noise.unsqueeze(2)  # (K, L, B, k)
        drawn = self.noise.shape[1]
        decoded = self.decode(z.flatten(1, 2))  # every draw of every row at once
        again = x.unsqueeze(1).expand(-1, drawn, *x.shape[1:]).flatten(1, 2)
        terms = {"reconstruction": -log_likelihood(again, *decoded).view(len(x), drawn, -1).mean(1)}
        return terms if self.settings.score_type != "elbo" else terms | {"divergence": kl_to_prior(mu, log_var)}

    def criterion(self, x: Tensor) -> Tensor:
        return -log_likelihood(self.preprocess(x), *self.decode(self.posterior(x)[0]))

    def reconstruct(self, x: Tensor) -> Tensor:
        return self.decode(self.posterior(x)[0])[0]


@dataclass(kw_only=True, eq=False, repr=False)
class VAE(TorchDetector[VAESettings]):
    """Variational autoencoder; the score is the negative reconstruction probability, or the negative ELBO.

    Parameters
    ----------
    n_latent : int, optional
        Length of z.
    width : int, optional
        Units of the hidden layers, or channels of the first convolution.
    variance_floor : float, optional
        Least variance of the decoder, in squared encoded units.
    score_type : {"reconstruction_probability", "elbo"}, optional
        The mean of -log p(x given z) over draws of z, or with it the divergence of q(z given x) from the prior.
    n_latent_samples : int, optional
        L, draws of z for a score.

    References
    ----------
    An, Cho, "Variational Autoencoder based Anomaly Detection using Reconstruction Probability", SNU TR, 2015.
    Kingma, Welling, "Auto-Encoding Variational Bayes", arXiv:1312.6114, ICLR 2014.

    Examples
    --------
    >>> import numpy as np
    >>> from egbad.detectors import VAE
    >>> X = np.random.default_rng(0).normal(size=(500, 4))
    >>> detector = VAE(steps=200, alpha=0.05, random_state=0).fit(X)
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
