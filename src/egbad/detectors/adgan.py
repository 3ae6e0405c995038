"""ADGAN: anomaly detection with a GAN whose generator may move, too (Deecke et al., 2018, ECML-PKDD).

From several starts z_j, each with its own copy of the generator, both z_j and that copy's weights are moved for a few
steps towards the row to score. Departure: the starts are the same for every row, so that a score repeats.
"""

from dataclasses import dataclass
from math import gcd
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor
from torch.func import functional_call

from egbad.detectors.base import ModelAttribution
from egbad.detectors.gan.detector import GANDetector
from egbad.detectors.gan.losses import mean_squared_error
from egbad.detectors.gan.models import GANModel, GANSettings, shares_by_difference
from egbad.detectors.gan.recipes import gan_default
from egbad.nn.generators import MemberGenerators


class ADGANSettings(GANSettings):
    """Every value decided."""

    n_starts: int = Field(default=8, ge=1)
    search_steps: int = Field(default=5, ge=0)
    search_learning_rate: float = Field(default=0.25, gt=0)
    weights_learning_rate: float = Field(default=5e-5, ge=0)


class ADGANModel(GANModel[ADGANSettings]):
    """A GAN, and the search for z and for weights around those of G."""

    attribution_method = "differences"

    scores_sequentially = True  # `functional_call` puts other weights into G
    gpu_chunks = 1  # each row has copies of G
    other_chunk_rows = other_chunk_images = ()  # to find out about them would take as long as to score
    z_start: Tensor

    def __init__(self, shape: tuple[int, ...], settings: ADGANSettings, generators: MemberGenerators) -> None:
        super().__init__(shape, settings, generators)
        self.register_buffer("z_start", self.latent(settings.n_starts))  # (K, S, k)
        # Few rows at once, since each has a generator of its own for every start, and more do not fit the caches. Copies
        # come in multiples of 32: Adam's fused kernel rounds otherwise what is left over by its vectors.
        self.chunk_rows = self.chunk_images = 32 // gcd(32, settings.n_starts)

    def search(self, x: Tensor) -> Tensor:
        """x (K, B, ...) -> G_j(z_j) of every start (K, B, S, ...), algorithm 1 of the paper."""
        s, (members, rows) = self.settings, x.shape[:2]
        lead = (members, rows, s.n_starts)

        def copies(t: Tensor) -> Tensor:
            """(K, ...) -> one for each row and start, stacked as if they were members."""
            return t[:, None, None].expand(*lead, *t.shape[1:]).flatten(0, 2).clone().requires_grad_()

        theta = {name: copies(p.detach()) for name, p in self.G.named_parameters()}
        z = self.z_start[:, None].expand(*lead, -1).flatten(0, 2).unsqueeze(1).clone().requires_grad_()
        target = x.unsqueeze(2).expand(*lead, *x.shape[2:]).flatten(0, 2).unsqueeze(1)  # (K B S, 1, ...)
        moved = [z, *theta.values()]
        optimizer = torch.optim.Adam(
            [
                {"params": [z], "lr": s.search_learning_rate},
                {"params": [*theta.values()], "lr": s.weights_learning_rate},
            ],
            fused=True,  # one pass over weights and moments, where the time goes: nearly three times as fast
        )
        for _ in range(s.search_steps):
            with torch.enable_grad():
                loss = mean_squared_error(functional_call(self.G, theta, z), target).sum()
                gradients = torch.autograd.grad(loss, moved)
            for p, gradient in zip(moved, gradients, strict=True):
                p.grad = gradient
            optimizer.step()
        made: Tensor = functional_call(self.G, theta, z)
        return made.detach().reshape(*lead, *x.shape[2:])

    def score_terms(self, x: Tensor) -> dict[str, Tensor]:
        """Mean over starts of the mean squared distance that is left."""
        found = self.search(x)
        return {"residual": ((found - x.unsqueeze(2)) ** 2).flatten(3).mean((2, 3))}

    def attribute(self, x: Tensor) -> ModelAttribution:
        return shares_by_difference(self, x)

    def reconstruct(self, x: Tensor) -> Tensor:
        return self.search(x).mean(2)


@dataclass(kw_only=True, eq=False, repr=False)
class ADGAN(GANDetector[ADGANSettings]):
    """Anomaly detection by how near a generator comes that may move with z.

    The settings of the search are those that the paper is remembered for; no released code could confirm them.

    Parameters
    ----------
    n_starts : int, optional
        Starts z_j for every row. Default 8.
    search_steps : int, optional
        Steps k. Default 5.
    search_learning_rate, weights_learning_rate : float, optional
        Adam's for z and for the copies of the generator. The latter must be small, or anomalies are fitted as well.

    References
    ----------
    Deecke, Vandermeulen, Ruff, Mandt, Kloft, "Image Anomaly Detection with Generative Adversarial Networks",
    ECML-PKDD 2018.

    Examples
    --------
    >>> import numpy as np
    >>> from egbad.detectors import ADGAN
    >>> X = np.random.default_rng(0).normal(size=(500, 4))
    >>> detector = ADGAN(steps=200, alpha=0.05, random_state=0).fit(X)
    >>> detector.predict(np.array([[0.0, 0.0, 0.0, 0.0], [9.0, -9.0, 9.0, -9.0]]))
    array([ 1, -1])
    """

    name: ClassVar[str] = "adgan"
    settings_type: ClassVar = ADGANSettings
    model_type: ClassVar = ADGANModel
    recipes: ClassVar = {"default": gan_default}
    tunable: ClassVar = {"n_latent": (8, 32), "search_steps": (50, 200)}

    n_starts: int | None = None
    search_steps: int | None = None
    search_learning_rate: float | None = None
    weights_learning_rate: float | None = None
