"""EGBAD: anomaly detection with a bidirectional GAN (Zenati et al., 2018, arXiv:1802.06222).

An encoder E is trained beside the generator G and the discriminator D of a BiGAN (Donahue et al., 2016), so that one
forward pass replaces AnoGAN's search for the latent of a test sample: A(x) = w L_G(x) + (1 - w) L_D(x).

Departures of the default recipe, each a parameter, all of them off with `recipe="paper"`:

- cycle consistency |x - G(E(x))| beside the adversarial game, which by itself never asks for a reconstruction;
- noise on D's view of x, so that D can't win on details;
- larger and falling learning rate, larger batches, no dropout, lighter networks for images;
- residuals and features are measured against their normal size, column by column (`distance="relative"`), so that
  columns which are always reconstructed badly do not drown the others.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from egbad.games import (
    BiGANGame,
    BiGANSettings,
    GameDetector,
    bigan_default,
    cross_entropy_real,
    norm_distance,
    released,
)
from egbad.networks import Draws

_FLOOR = 1e-3  # a column that is always rebuilt exactly counts as if it were this far off, in encoded units


# -- the paper's formulas ----------------------------------------------------------------------------------------------


def relative_distance(a: Tensor, b: Tensor, usual: Tensor) -> Tensor:
    """Mean over units of log(1 + |a - b| / usual), a and b (K, B, ...), usual (K, 1, ...) -> (K, B).

    Counts how many units are off and by how many times their usual distance: the log-likelihood of a heavy-tailed
    residual with a scale per unit, up to constants.
    """
    return torch.log1p((a - b).abs() / usual).flatten(2).mean(2)


# -- the model ---------------------------------------------------------------------------------------------------------


class Settings(BiGANSettings):
    """A recipe with every value decided. `EGBAD`'s docstring says what each means."""

    distance: Literal["relative", "norm"] = "relative"
    discrimination: Literal["fm", "sigma"] = "fm"
    sigma_pair: Literal["paper", "released"] = "paper"
    residual_weight: float = Field(default=0.9, ge=0, le=1)


def default(shape: tuple[int, ...]) -> dict[str, Any]:
    """The stable recipe."""
    # Distances relative to their usual size bear with rows that are rare; what is frequent must not crowd them out.
    return bigan_default(shape) | {"distance": "relative" if len(shape) == 1 else "norm", "distinct": True}


def paper(shape: tuple[int, ...]) -> dict[str, Any]:
    """The paper's recipe, as read from its released code."""
    return released(shape) | {"cycle_weight": 0.0, "distance": "norm"}


class ScoredBiGAN(BiGANGame[Settings]):
    """A BiGAN and the score A(x)."""

    usual_x: Tensor
    usual_f: Tensor

    def __init__(self, shape: tuple[int, ...], settings: Settings, draws: Draws) -> None:
        super().__init__(shape, settings, draws)
        # How far off a normal x and its features usually are, for the relative distance: `settle` learns it.
        self.register_buffer("usual_x", torch.ones(len(draws), 1, *shape))
        self.register_buffer("usual_f", torch.ones(len(draws), 1, self.D.n_features))

    def settle(self, chunks: Iterator[Tensor]) -> None:
        """Learn the usual distances: means over the training rows, as the averaged weights see them."""
        sums, n = [torch.zeros_like(self.usual_x), torch.zeros_like(self.usual_f)], 0
        for x in chunks:
            x_hat, f, f_hat = self.forward_pass(x)
            sums[0] += (x - x_hat).abs().sum(1, keepdim=True)
            sums[1] += (f - f_hat).abs().sum(1, keepdim=True)
            n += x.shape[1]
        self.usual_x.copy_(sums[0] / n + _FLOOR)
        self.usual_f.copy_(sums[1] / n + _FLOOR)

    def forward_pass(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """x (K, B, ...) -> x_hat = G(E(x)), and D's features of (x, E(x)) and (x_hat, E(x))."""
        x = self.seen(x)
        z = self.E(x)  # (K, B, k)
        x_hat = self.G(z)  # (K, B, ...)
        return x_hat, *self.D.features_of_both(x, x_hat, z)

    def score_terms(self, x: Tensor) -> dict[str, Tensor]:
        """A(x) = w L_G(x) + (1 - w) L_D(x), section 3 of the paper; w is its alpha."""
        s, (x_hat, f, f_hat) = self.settings, self.forward_pass(x)
        if s.discrimination == "sigma":
            # The paper scores the pair (x, E(x)); the released code the pair (G(E(x)), E(x)).
            l_d = cross_entropy_real(self.D.logit(f if s.sigma_pair == "paper" else f_hat))
        else:
            l_d = self.distance(f, f_hat, self.usual_f)
        l_g = self.distance(x, x_hat, self.usual_x)
        return {"residual": s.residual_weight * l_g, "features": (1 - s.residual_weight) * l_d}

    def distance(self, a: Tensor, b: Tensor, usual: Tensor) -> Tensor:
        """L_G or L_D by the chosen distance, (K, B)."""
        if self.settings.distance == "relative":
            return relative_distance(a, b, usual)
        return norm_distance(a, b, self.settings.degree)


# -- the detector ------------------------------------------------------------------------------------------------------


@dataclass(kw_only=True, eq=False, repr=False)
class EGBAD(GameDetector[Settings]):
    """Anomaly detection with a bidirectional GAN.

    Learns from normal rows (n, d) or images (n, h, w), (n, c, h, w) of 8 x 8 to 128 x 128 pixels and scores new ones
    in one forward pass by A(x) = w L_G(x) + (1 - w) L_D(x), higher is more anomalous.

    Parameters
    ----------
    adversarial_weight, cycle_weight : float, optional
        Weights of the game and of |x - G(E(x))|_1 in the loss of E and G. Without the game it is a plain autoencoder.
    distance : {"relative", "norm"}, optional
        "norm" is the paper's: a norm over pixels or columns, and over D's features. "relative" is the mean of
        log(1 + distance / usual distance among training rows), unit by unit.
    degree : float, optional
        Degree of the norm.
    discrimination : {"fm", "sigma"}, optional
        L_D by feature matching, or by the cross-entropy of D's logit.
    sigma_pair : {"paper", "released"}, optional
        Which pair "sigma" judges: (x, E(x)), or (G(E(x)), E(x)) as the released code does.
    residual_weight : float, optional
        w, the paper's alpha, in [0, 1].

    References
    ----------
    Zenati, Foo, Lecouat, Manek, Chandrasekhar, "Efficient GAN-Based Anomaly Detection", arXiv:1802.06222, 2018.
    Donahue, Kraehenbuehl, Darrell, "Adversarial Feature Learning", arXiv:1605.09782, ICLR 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from egbad import EGBAD
    >>> X = np.random.default_rng(0).normal(size=(500, 4))
    >>> detector = EGBAD(steps=200, alpha=0.05, random_state=0).fit(X)
    >>> detector.predict(np.array([[0.0, 0.0, 0.0, 0.0], [9.0, -9.0, 9.0, -9.0]]))
    array([ 1, -1])
    """

    name: ClassVar[str] = "egbad"
    settings_type: ClassVar = Settings
    model_type: ClassVar = ScoredBiGAN
    recipes: ClassVar = {"default": default, "paper": paper}

    adversarial_weight: float | None = None
    cycle_weight: float | None = None
    distance: str | None = None
    degree: float | None = None
    discrimination: str | None = None
    sigma_pair: str | None = None
    residual_weight: float | None = None
