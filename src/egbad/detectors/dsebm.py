"""DSEBM: deep structured energy-based models (Zhai et al., 2016, arXiv:1605.07717), trained by score matching.

An energy whose gradient points from a row to what the model makes of it: r(x) = x - grad E(x). Score matching is then
the training of a denoising autoencoder. DSEBM-e scores by the energy, DSEBM-r by |x - r(x)|^2.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import softplus

from egbad.detectors.base import Model, TorchDetector, TorchSettings, merge_settings
from egbad.nn.generators import MemberGenerators
from egbad.nn.networks import encoder
from egbad.training.players import Player


class DSEBMSettings(TorchSettings):
    """Every value decided."""

    width: int = Field(ge=1)
    n_experts: int = Field(ge=1)
    noise: float = Field(gt=0)
    score_type: Literal["energy", "reconstruction"] = "energy"


def default(shape: tuple[int, ...]) -> dict[str, Any]:
    """Values for encoded rows (d,), whose layers are those of the code for KDD99, or images (c, h, w)."""
    if len(shape) == 1:
        training = {"learning_rate": 1e-3, "beta1": 0.9, "batch_size": 128, "steps": 3000}
        return {"width": 128, "n_experts": 512, "noise": 0.5, "training": training}
    training = {"learning_rate": 1e-3, "beta1": 0.9, "batch_size": 32, "steps": 800}
    return {"width": 32, "n_experts": 256, "noise": 0.5, "training": training}


def paper(shape: tuple[int, ...]) -> dict[str, Any]:
    """Noise, learning rate and batches of the code released with ALAD, whose DSEBM is the public one for KDD99."""
    training = {"learning_rate": 1e-4, "batch_size": 100, "learning_rate_decay": False}
    return merge_settings(default(shape), {"noise": 1.0 if len(shape) == 1 else 0.4, "training": training})


class DSEBMModel(Model[DSEBMSettings]):
    """E(x) = 1/2 |x - b'|^2 - sum_j h_j(x), h the softplus units of the last layer."""

    def __init__(self, shape: tuple[int, ...], settings: DSEBMSettings, generators: MemberGenerators) -> None:
        super().__init__(shape, settings, generators)
        self.experts = encoder(generators, shape, settings.width, settings.n_experts, nn.Softplus)
        self.b = nn.Parameter(torch.zeros(len(generators), 1, *shape))  # the paper's b'

    def energy_terms(self, x: Tensor) -> dict[str, Tensor]:
        """The two parts of E(x), equation 3 of the paper: x (K, B, ...) -> (K, B)."""
        bowl = 0.5 * ((x - self.b) ** 2).flatten(2).sum(2)
        return {"bowl": bowl, "experts": -softplus(self.experts(self.preprocess(x))).sum(2)}

    def gradient(self, x: Tensor, *, learning: bool = False) -> Tensor:
        """grad E(x) by automatic differentiation, (K, B, ...) -> (K, B, ...)."""
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            energy = sum(self.energy_terms(x).values())
            (gradient,) = torch.autograd.grad(energy.sum(), [x], create_graph=learning)  # type: ignore[union-attr]
        return gradient

    def players(self) -> tuple[Player, ...]:
        return (Player("score matching", [*self.parameters()], self.loss),)

    def loss(self, x: Tensor) -> Tensor:
        """Mean |x - r(x + noise)|^2, (K,)."""
        x = self.preprocess(x)
        noisy = x + self.settings.noise * self.generators.normal(*x.shape[1:], per_row=True)
        r = noisy - self.gradient(noisy, learning=True)
        return ((x - r) ** 2).flatten(2).sum(2).mean(1)

    def score_terms(self, x: Tensor) -> dict[str, Tensor]:
        """E(x), or |x - r(x)|^2 = |grad E(x)|^2."""
        if self.settings.score_type == "energy":
            return self.energy_terms(x)
        return {"reconstruction": (self.gradient(x) ** 2).flatten(2).sum(2)}

    def criterion(self, x: Tensor) -> Tensor:
        return (self.gradient(self.preprocess(x)) ** 2).flatten(2).sum(2)

    def reconstruct(self, x: Tensor) -> Tensor:
        return x - self.gradient(x)


@dataclass(kw_only=True, eq=False, repr=False)
class DSEBM(TorchDetector[DSEBMSettings]):
    """Deep structured energy-based model.

    Parameters
    ----------
    width : int, optional
        Units of the first layer, or channels of the first convolution.
    n_experts : int, optional
        Units of the last layer, whose sum is taken from the energy.
    noise : float, optional
        Standard deviation of the noise that score matching adds, in encoded units.
    score_type : {"energy", "reconstruction"}, optional
        DSEBM-e or DSEBM-r.

    References
    ----------
    Zhai, Cheng, Lu, Zhang, "Deep Structured Energy Based Models for Anomaly Detection", arXiv:1605.07717, ICML 2016.

    Examples
    --------
    >>> import numpy as np
    >>> from egbad.detectors import DSEBM
    >>> X = np.random.default_rng(0).normal(size=(500, 4))
    >>> detector = DSEBM(steps=200, alpha=0.05, random_state=0).fit(X)
    >>> detector.predict(np.array([[0.0, 0.0, 0.0, 0.0], [9.0, -9.0, 9.0, -9.0]]))
    array([ 1, -1])
    """

    name: ClassVar[str] = "dsebm"
    settings_type: ClassVar = DSEBMSettings
    model_type: ClassVar = DSEBMModel
    recipes: ClassVar = {"default": default, "paper": paper}
    tunable: ClassVar = {"training__learning_rate": (3e-4, 1e-3, 3e-3), "score_type": ("energy", "reconstruction")}

    width: int | None = None
    n_experts: int | None = None
    noise: float | None = None
    score_type: str | None = None
