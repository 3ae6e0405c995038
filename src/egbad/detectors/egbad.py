"""EGBAD: anomaly detection with a bidirectional GAN (Zenati et al., 2018, arXiv:1802.06222).

An encoder E is trained beside the generator G and the discriminator D of a BiGAN (Donahue et al., 2016), so that one
forward pass replaces AnoGAN's search for the latent of a test sample: A(x) = w L_G(x) + (1 - w) L_D(x).

Departures of the default recipe, each a parameter, all of them off with `recipe="paper"`:

- cycle consistency |x - G(E(x))| beside the adversarial game, which by itself never asks for a reconstruction;
- noise on D's view of x, so that D can't win on details;
- larger learning rate, larger batches, no dropout, lighter networks for images;
- training ends where what was held out of it is rebuilt hardly better than 500 steps before, or 200 on images, so that a
  longer run is not a worse one (`keep="best"`, `least_gain`);
- on rows, residuals and features are measured against their normal size, column by column (`distance="relative"`), so
  that columns which are always reconstructed badly do not drown the others, and all columns that a category or a time
  becomes count as one;
- on images, residuals are measured by correlation (`distance="correlation"`), so that how much of an image is inked or lit
  does not count, and L_D is what E notices: how far E(x) lies from all that is remembered of normal images
  (`discriminator_loss="memory"`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from egbad.detectors.base import Encoded, Model, ModelAttribution, merge_settings, total
from egbad.detectors.gan.detector import GANDetector
from egbad.detectors.gan.losses import cross_entropy_real, norm_distance
from egbad.detectors.gan.models import BiGANModel, BiGANSettings
from egbad.detectors.gan.recipes import bigan_default, released_recipe
from egbad.nn.generators import MemberGenerators
from egbad.nn.memory_bank import MemoryBank, subsample

_HIDDEN = 3  # columns are hidden for an explanation, one at a time: more find little more, and cost a score each
_FLOOR = 1e-3  # a column that is always rebuilt exactly counts as if it were this far off, in encoded units


# -- the paper's formulas ----------------------------------------------------------------------------------------------


def relative_distance(a: Tensor, b: Tensor, usual: Tensor, weights: Tensor | None = None) -> Tensor:
    """Mean over units of log(1 + |a - b| / usual), a and b (K, B, ...), usual (K, 1, ...) -> (K, B).

    Counts how many units are off and by how many times their usual distance: the log-likelihood of a heavy-tailed
    residual with a scale per unit, up to constants. With `weights` (d,), which add up to 1, some units count more.
    """
    parts = torch.log1p((a - b).abs() / usual).flatten(2)
    return parts.mean(2) if weights is None else (parts * weights).sum(2)


def correlation_distance(a: Tensor, b: Tensor) -> Tensor:
    """1 minus the correlation of all units of a with those of b, (K, B, ...) -> (K, B), from 0 to 2."""
    a, b = (centred(t) for t in (a, b))
    return 0.5 * ((a - b) ** 2).sum(2)  # 1 - a b would lose the digits of what is alike


def centred(t: Tensor) -> Tensor:
    """Units of t (K, B, ...) with mean 0 and length 1 in all -> (K, B, d)."""
    return F.normalize(t.flatten(2) - t.flatten(2).mean(2, keepdim=True), dim=2)


# -- the model ---------------------------------------------------------------------------------------------------------


class EGBADSettings(BiGANSettings):
    """A recipe with every value decided. `EGBAD`'s docstring says what each means."""

    distance: Literal["relative", "norm", "correlation"] = "relative"
    discriminator_loss: Literal["fm", "sigma", "sigma_released", "memory"] = "fm"
    memory_size: int = Field(default=4096, ge=16, multiple_of=16)
    residual_weight: float = Field(default=0.9, ge=0, le=1)


def default(shape: tuple[int, ...]) -> dict[str, Any]:
    """The stable recipe."""
    # The steps are a limit that hardly any training reaches: with a rate that falls towards it, it would matter where it is.
    stopping = {"criterion": "validation", "patience": 5, "min_gain": 0.05}
    if len(shape) == 3:
        own: dict[str, Any] = {
            "distance": "correlation",
            "discriminator_loss": "memory",
            "residual_weight": 0.5,
            "training": {"steps": 1600, "learning_rate_decay": False},
            "early_stopping": {**stopping, "interval": 40},
        }
    else:
        own = {
            # Relative distances tolerate rare rows; frequent rows must not crowd them out.
            "distance": "relative",
            "preprocessing": {"drop_duplicates": True},
            "training": {"steps": 6000, "learning_rate_decay": False},
            "early_stopping": {**stopping, "interval": 100},
        }
    return merge_settings(bigan_default(shape), own)


def paper(shape: tuple[int, ...]) -> dict[str, Any]:
    """The paper's recipe, as read from its released code."""
    return released_recipe(shape) | {"cycle_weight": 0.0, "distance": "norm"}


class EGBADModel(BiGANModel[EGBADSettings]):
    """A BiGAN and the score A(x)."""

    usual_x: Tensor
    usual_f: Tensor
    weights: Tensor | None
    groups: Tensor | None

    def __init__(self, shape: tuple[int, ...], settings: EGBADSettings, generators: MemberGenerators) -> None:
        super().__init__(shape, settings, generators)
        # How far off a normal x and its features usually are, for the relative distance: `settle` learns it.
        self.register_buffer("usual_x", torch.ones(len(generators), 1, *shape))
        self.register_buffer("usual_f", torch.ones(len(generators), 1, self.D.n_features))
        # So that what a category or a time becomes counts as one column: what each encoded column counts, not all the same.
        self.register_buffer("weights", None)
        self.register_buffer("groups", None)
        self.attribution_method = f"residual exact, features by {'hiding columns' if len(shape) == 1 else 'gradients'}"
        if settings.discriminator_loss == "memory":
            self.memory = MemoryBank(generators, settings.memory_size, settings.n_latent)

    def finalize(self, chunks: Iterator[Tensor]) -> None:
        """Learn what is usual of the training rows, as the averaged weights see them: mean distances, and a memory."""
        codes: list[Tensor] = []
        sums, n = [torch.zeros_like(self.usual_x), torch.zeros_like(self.usual_f)], 0
        for x in chunks:
            x_hat, f, f_hat = self.forward_pass(x)
            sums[0] += (x - x_hat).abs().sum(1, keepdim=True)
            sums[1] += (f - f_hat).abs().sum(1, keepdim=True)
            n += x.shape[1]
            codes.append(self.E(self.preprocess(x)))
        if self.settings.discriminator_loss == "memory":
            self.memory.learn(torch.cat(codes, dim=1))
        self.usual_x.copy_(sums[0] / n + _FLOOR)
        self.usual_f.copy_(sums[1] / n + _FLOOR)

    def forward_pass(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """x (K, B, ...) -> x_hat = G(E(x)), and D's features of (x, E(x)) and (x_hat, E(x))."""
        x = self.preprocess(x)
        z = self.E(x)  # (K, B, k)
        x_hat = self.G(z)  # (K, B, ...)
        return x_hat, *self.D.features_of_both(x, x_hat, z)

    def score_terms(self, x: Tensor) -> dict[str, Tensor]:
        """A(x) = w L_G(x) + (1 - w) L_D(x), section 3 of the paper; w is its alpha."""
        return self.terms_and_rebuilt(x)[0]

    def terms_and_rebuilt(self, x: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """The terms (K, B) of A(x), and G(E(x))."""
        w = self.settings.residual_weight
        if self.settings.discriminator_loss == "memory":
            z = self.E(self.preprocess(x))
            x_hat, l_d = self.G(z), self.memory(z)
        else:
            x_hat, f, f_hat = self.forward_pass(x)
            l_d = self.l_d(f, f_hat)
        residual = self.distance(x, x_hat, self.usual_x, self.weights)
        return {"residual": w * residual, "features": (1 - w) * l_d}, x_hat

    def attribute(self, x: Tensor) -> ModelAttribution:
        """The residual's parts, exactly; L_D's by what A(x) loses when one has what was expected, or by its gradient."""
        if len(self.shape) == 3:
            return self._shares_by_gradient(x)
        with torch.no_grad():
            terms, x_hat = self.terms_and_rebuilt(x)
            own = self.settings.residual_weight * self.distance_parts(x, x_hat)
            return ModelAttribution(
                own + terms["features"].unsqueeze(2) * self._falls(x, x_hat, own, total(terms)), x_hat, terms
            )

    def _falls(self, x: Tensor, x_hat: Tensor, own: Tensor, score: Tensor) -> Tensor:
        """How A(x) falls when one of the columns with the largest residuals has x_hat instead, (K, B, d), as parts of 1.

        By the whole of A(x), not by L_D alone: what is strange spoils the residuals and features of others, too.
        """
        groups = torch.arange(x.shape[2], device=x.device) if self.groups is None else self.groups
        of_group = x.new_zeros(*x.shape[:2], int(groups.max()) + 1).index_add(2, groups, own)
        falls = torch.zeros_like(x)
        for candidate in of_group.topk(min(_HIDDEN, of_group.shape[2]), dim=2).indices.unbind(2):
            hidden = groups == candidate.unsqueeze(2)
            fall = score - total(self.score_terms(torch.where(hidden, x_hat, x)))
            within = own * hidden / (own * hidden).sum(2, keepdim=True).clamp(min=1e-30)
            falls = falls + fall.clamp(min=0).unsqueeze(2) * within
        falls = torch.where(falls.sum(2, keepdim=True) > 0, falls, own + 1e-12)
        return falls / falls.sum(2, keepdim=True)

    def _shares_by_gradient(self, x: Tensor) -> ModelAttribution:
        point = x.clone().requires_grad_()
        with torch.enable_grad():
            terms, x_hat = self.terms_and_rebuilt(point)
            (slope,) = torch.autograd.grad(terms["features"].sum(), point)
        x_hat = x_hat.detach()
        weights = (slope * (x - x_hat)).abs().flatten(2) + 1e-12
        of_features = terms["features"].detach().unsqueeze(2) * weights / weights.sum(2, keepdim=True)
        own = self.settings.residual_weight * self.distance_parts(x, x_hat)
        return ModelAttribution(own + of_features.view_as(x), x_hat, terms)

    def distance_parts(self, a: Tensor, b: Tensor) -> Tensor:
        """What each unit adds to L_G, a and b (K, B, ...) -> (K, B, ...)."""
        s = self.settings
        if s.distance == "relative":
            parts = torch.log1p((a - b).abs() / self.usual_x)
            return parts / prod(self.shape) if self.weights is None else parts * self.weights
        if s.distance == "correlation":
            a, b = (centred(t) for t in (a, b))
            return (0.5 * (a - b) ** 2).view(*a.shape[:2], *self.shape)
        powers = (a - b).abs() ** s.degree
        whole = norm_distance(a, b, s.degree)
        sums = powers.flatten(2).sum(2).clamp(min=1e-30)
        return powers * (whole / sums).view(*whole.shape, *[1] * len(self.shape))

    def l_d(self, f: Tensor, f_hat: Tensor) -> Tensor:
        """L_D by D's features of (x, E(x)) and (G(E(x)), E(x)), (K, B)."""
        if self.settings.discriminator_loss == "sigma":
            return cross_entropy_real(self.D.logit(f))
        if self.settings.discriminator_loss == "sigma_released":
            return cross_entropy_real(self.D.logit(f_hat))
        return self.distance(f, f_hat, self.usual_f)

    def distance(self, a: Tensor, b: Tensor, usual: Tensor, weights: Tensor | None = None) -> Tensor:
        """L_G or L_D by the chosen distance, (K, B)."""
        if self.settings.distance == "relative":
            return relative_distance(a, b, usual, weights)
        if self.settings.distance == "correlation":
            return correlation_distance(a, b)
        return norm_distance(a, b, self.settings.degree)


# -- the detector ------------------------------------------------------------------------------------------------------


@dataclass(kw_only=True, eq=False, repr=False)
class EGBAD(GANDetector[EGBADSettings]):
    """Anomaly detection with a bidirectional GAN.

    Learns from normal rows (n, d) or images (n, h, w), (n, c, h, w) of 8 x 8 to 128 x 128 pixels and scores new ones
    in one forward pass by A(x) = w L_G(x) + (1 - w) L_D(x), higher is more anomalous.

    Parameters
    ----------
    adversarial_weight, cycle_weight : float, optional
        Weights of the game and of |x - G(E(x))|_1 in the loss of E and G. Without the game it is a plain autoencoder.
    distance : {"relative", "norm", "correlation"}, optional
        "norm" is the paper's: a norm over pixels or columns, and over D's features. "relative" is the mean of
        log(1 + distance / usual distance among training rows), unit by unit. "correlation" is 1 minus the correlation.
    degree : float, optional
        Degree of the norm.
    discriminator_loss : {"fm", "sigma", "memory"}, optional
        L_D by feature matching, by the cross-entropy of D's logit, or by a memory of E(x) of normal ones: how far the
        nearest lies, by cosine.
    memory_size : int, optional
        How many are remembered, a multiple of 16.
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
    settings_type: ClassVar = EGBADSettings
    model_type: ClassVar = EGBADModel
    recipes: ClassVar = {"default": default, "paper": paper}
    tunable: ClassVar = {
        "training__learning_rate": (3e-4, 1e-3, 3e-3),
        "residual_weight": (0.2, 0.5, 0.9),
        "n_latent": (8, 32, 64),
    }
    tunable_on_rows: ClassVar = {"preprocessing__scaling": ("standard", "minmax"), "distance": ("relative", "norm")}
    tunable_on_images: ClassVar = {"discriminator_loss": ("fm", "memory")}

    adversarial_weight: float | None = None
    cycle_weight: float | None = None
    distance: str | None = None
    degree: float | None = None
    discriminator_loss: str | None = None
    memory_size: int | None = None
    residual_weight: float | None = None

    def _build(self, shape: tuple[int, ...], generators: MemberGenerators) -> Model[EGBADSettings]:
        model = super()._build(shape, generators)
        if (blocks := self.table_encoder) is not None and isinstance(model, EGBADModel):
            model.register_buffer("weights", torch.from_numpy(blocks.column_weights()).float(), persistent=False)
            model.register_buffer("groups", torch.from_numpy(blocks.source_columns), persistent=False)
        return model

    def _finalize(self, model: Model[EGBADSettings], x: Encoded) -> None:
        super()._finalize(model, subsample(x, self.seed_) if self.settings_.discriminator_loss == "memory" else x)
