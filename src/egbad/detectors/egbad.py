"""EGBAD: efficient GAN-based anomaly detection (Zenati et al., 2018, arXiv:1802.06222).

A BiGAN (Donahue et al., 2017) learns normal samples with an encoder E, a generator G and a discriminator D of pairs (x, z).
E gives the latent of a test sample in one forward pass, where AnoGAN searches for it. The score is
A(x) = w L_G(x) + (1 - w) L_D(x), section 3 of the paper, whose alpha is called w here.

Departures of the default recipe. ``recipe="paper"`` turns all of them off, and all but the networks are parameters:

- Cycle consistency |x - G(E(x))| is added to the loss of E and G, on images as a Euclidean norm; the adversarial loss alone
  hardly asks for reconstruction. ``docs/adversarial.md`` measures both losses.
- D's view of x is noisy, so that D cannot win by details. D learns at a tenth of the rate of E and G.
- There is no dropout and no batch normalisation. Networks for images are smaller, with 32 latents instead of 200; rows have
  at most 32 latents, and at most half as many as columns.
- The learning rate is larger. Batches are larger for rows and smaller for images.
- The moving average of the weights starts with a small decay (`ema_warmup`), and its decay for rows is 0.999.
- Members with a symptom of failed training are slowed down, rolled back or trained again (`health_interventions`).
- Training has a number of steps in place of epochs. It ends when the reconstruction of held-out rows has improved by less
  than 5 percent in 500 steps (200 for images), so that a longer run is not a worse one (`early_stopping`).
- Rows: repeated rows count once (`drop_duplicates`). Columns are standardised, those with a heavy tail after a logarithm, and
  networks see them clipped at 8 standard deviations (`preprocessing`).
- Rows: residuals and features are measured relative to their typical size among training rows (``distance="relative"``),
  so that columns that are hard to reconstruct do not dominate. The columns that encode a category or a time count as one.
- Images: residuals are measured by correlation (``distance="correlation"``), so that brightness and contrast do not count.
  L_D is the distance of E(x) from a memory of the latents of normal images (``discriminator_loss="memory"``) and weighs as
  much as L_G (``residual_weight=0.5``).

``recipe="paper"`` follows the released code except in this:

- On images E's first convolution has the activation that the code got in November 2018, after the paper.
- Columns are scaled to [0, 1], as the code intends. It discards the result, like ``Preprocessing(scaling="none")``.
- Images of other shapes than (1, 28, 28) have the networks of the default recipe.
- A tenth of the rows is held out of training to set the threshold (`calibration_fraction`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from egbad.detectors.base import Encoded, Model, ModelAttribution, merge_settings, total
from egbad.detectors.gan.detector import LatentDetector
from egbad.detectors.gan.losses import correlation_distance, cross_entropy_real, norm_distance, standardize_units
from egbad.detectors.gan.models import BiGANModel, BiGANSettings
from egbad.detectors.gan.recipes import bigan_default, released_recipe
from egbad.nn.generators import MemberGenerators
from egbad.nn.memory_bank import MemoryBank, subsample
from egbad.nn.network_factory import NetworkFactory
from egbad.nn.ops import pad_rows

_MAX_OCCLUDED = 3  # columns hidden one at a time by an explanation: each costs a score, and more of them add little
_MIN_SCALE = 1e-3  # typical residual, in encoded units, of a column that is always reconstructed exactly

# -- formulas ----------------------------------------------------------------------------------------------------------


def relative_distance(a: Tensor, b: Tensor, scale: Tensor, weights: Tensor | None = None) -> Tensor:
    """Return the mean over units of log(1 + |a - b| / scale).

    Up to constants this is the negative log-likelihood of a heavy-tailed residual with a scale per unit. It depends on how
    many units are off and by how many times their typical distance.

    Parameters
    ----------
    a, b : Tensor of shape (K, B, ...)
    scale : Tensor of shape (K, 1, ...)
        Typical distance of each unit.
    weights : Tensor of shape (d,), optional
        Weights of the units, with sum 1, in place of equal ones.

    Returns
    -------
    Tensor of shape (K, B)
    """
    distances = torch.log1p((a - b).abs() / scale).flatten(2)
    return distances.mean(2) if weights is None else (distances * weights).sum(2)


# -- the model ---------------------------------------------------------------------------------------------------------


class EGBADModel(BiGANModel["EGBADSettings"]):
    """A BiGAN with the score A(x) = w L_G(x) + (1 - w) L_D(x)."""

    residual_scale: Tensor
    feature_scale: Tensor
    column_weights: Tensor | None
    column_groups: Tensor | None

    def __init__(
        self,
        shape: tuple[int, ...],
        settings: "EGBADSettings",
        generators: MemberGenerators,
        networks: NetworkFactory | None = None,
    ) -> None:
        super().__init__(shape, settings, generators, networks)
        # Typical distances of x and of its features from those of G(E(x)); `finalize` learns them.
        self.register_buffer("residual_scale", torch.ones(len(generators), 1, *shape, dtype=torch.float32))
        self.register_buffer("feature_scale", torch.ones(len(generators), 1, self.D.n_features, dtype=torch.float32))
        # Set by `EGBAD` for tables with categories or times, whose encoded columns count as one.
        self.register_buffer("column_weights", None)
        self.register_buffer("column_groups", None)
        self.attribution_method = f"residual exact, features by {'hiding columns' if len(shape) == 1 else 'gradients'}"
        if settings.discriminator_loss == "memory":
            self.memory = MemoryBank(generators, settings.memory_size, settings.n_latent)

    @classmethod
    def reads_features(cls, settings: "EGBADSettings") -> bool:
        """Return True if L_D is the distance of D's features."""
        return settings.discriminator_loss == "fm"

    def finalize(self, chunks: Iterator[Tensor]) -> None:
        """Learn typical distances and the memory from chunks (K, B, ...) of the training rows, with averaged weights."""
        latents: list[Tensor] = []
        residuals, features, n = torch.zeros_like(self.residual_scale), torch.zeros_like(self.feature_scale), 0
        for x in chunks:
            x_hat, f, f_hat = self.forward_pass(x)
            residuals += (x - x_hat).abs().sum(1, keepdim=True)
            features += (f - f_hat).abs().sum(1, keepdim=True)
            n += x.shape[1]
            latents.append(self.E(self.preprocess(x)))
        if self.settings.discriminator_loss == "memory":
            self.memory.learn(torch.cat(latents, dim=1))
        self.residual_scale.copy_(residuals / n + _MIN_SCALE)
        self.feature_scale.copy_(features / n + _MIN_SCALE)

    # -- the score ---------------------------------------------------------------------------------------------------

    def forward_pass(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return x_hat = G(E(x)) of x (K, B, ...), and D's features (K, B, m) of (x, E(x)) and of (x_hat, E(x))."""
        x = pad_rows(self.preprocess(x))  # once, for E and D
        z = self.E(x)  # (K, B, k)
        x_hat = self.G(z)  # (K, B, ...)
        return x_hat, *self.D.features_of_both(x, x_hat, z)

    def score_terms(self, x: Tensor) -> dict[str, Tensor]:
        """Return w L_G(x) and (1 - w) L_D(x) (K, B) of x (K, B, ...), section 3 of the paper."""
        return self.score_and_reconstruct(x)[0]

    def score_and_reconstruct(self, x: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """Return the terms (K, B) of A(x) and G(E(x)) (K, B, ...), x (K, B, ...)."""
        w = self.settings.residual_weight
        if self.settings.discriminator_loss == "memory":
            z = self.E(self.preprocess(x))
            x_hat, l_d = self.G(z), self.memory(z)
        else:
            x_hat, f, f_hat = self.forward_pass(x)
            l_d = self.l_d(f, f_hat)
        l_g = self.distance(x, x_hat, self.residual_scale, self.column_weights)
        return {"residual": w * l_g, "features": (1 - w) * l_d}, x_hat

    def l_d(self, f: Tensor, f_hat: Tensor) -> Tensor:
        """Return L_D (K, B) of D's features (K, B, m) of (x, E(x)) and of (G(E(x)), E(x))."""
        if self.settings.discriminator_loss == "sigma":
            return cross_entropy_real(self.D.logit(f))
        if self.settings.discriminator_loss == "sigma_released":
            return cross_entropy_real(self.D.logit(f_hat))
        return self.distance(f, f_hat, self.feature_scale)

    def distance(self, a: Tensor, b: Tensor, scale: Tensor, weights: Tensor | None = None) -> Tensor:
        """Return the chosen distance (K, B) of a and b (K, B, ...)."""
        if self.settings.distance == "relative":
            return relative_distance(a, b, scale, weights)
        if self.settings.distance == "correlation":
            return correlation_distance(a, b)
        return norm_distance(a, b, self.settings.degree)

    # -- attribution -------------------------------------------------------------------------------------------------

    def attribute(self, x: Tensor) -> ModelAttribution:
        """Attribute A(x) of x (K, B, ...): L_G exactly, L_D by occlusion of columns or by gradients of pixels."""
        if len(self.shape) == 3:
            return self._attribute_by_gradient(x)
        with torch.no_grad():
            terms, x_hat = self.score_and_reconstruct(x)
            residuals = self.settings.residual_weight * self.residual_shares(x, x_hat)
            weights = self._occlusion_weights(x, x_hat, residuals, total(terms))
            return ModelAttribution(residuals + terms["features"].unsqueeze(2) * weights, x_hat, terms)

    def residual_shares(self, x: Tensor, x_hat: Tensor) -> Tensor:
        """Return the part of L_G that each unit contributes, of the shape (K, B, ...) of x and x_hat."""
        s = self.settings
        if s.distance == "relative":
            distances = torch.log1p((x - x_hat).abs() / self.residual_scale)
            return distances / prod(self.shape) if self.column_weights is None else distances * self.column_weights
        if s.distance == "correlation":
            a, b = (standardize_units(t) for t in (x, x_hat))
            return (0.5 * (a - b) ** 2).view(*a.shape[:2], *self.shape)
        powers = (x - x_hat).abs() ** s.degree
        sums = powers.flatten(2).sum(2).clamp(min=1e-30)
        scale = norm_distance(x, x_hat, s.degree) / sums
        return powers * scale.view(*scale.shape, *[1] * len(self.shape))

    def _occlusion_weights(self, x: Tensor, x_hat: Tensor, residuals: Tensor, score: Tensor) -> Tensor:
        """Return weights (K, B, d) with sum 1: the decrease of A(x) when x_hat replaces x in a column.

        Only the columns with the largest residuals are replaced. The decrease is that of all of A(x), not of L_D alone: an
        anomalous column also spoils the residuals and features of others.
        """
        groups = torch.arange(x.shape[2], device=x.device) if self.column_groups is None else self.column_groups
        by_group = x.new_zeros(*x.shape[:2], int(groups.max()) + 1).index_add(2, groups, residuals)
        weights = torch.zeros_like(x)
        for candidate in by_group.topk(min(_MAX_OCCLUDED, by_group.shape[2]), dim=2).indices.unbind(2):
            hidden = groups == candidate.unsqueeze(2)
            decrease = score - total(self.score_terms(torch.where(hidden, x_hat, x)))
            within_group = residuals * hidden / (residuals * hidden).sum(2, keepdim=True).clamp(min=1e-30)
            weights = weights + decrease.clamp(min=0).unsqueeze(2) * within_group
        weights = torch.where(weights.sum(2, keepdim=True) > 0, weights, residuals + 1e-12)
        return weights / weights.sum(2, keepdim=True)

    def _attribute_by_gradient(self, x: Tensor) -> ModelAttribution:
        """Attribute L_G exactly, and L_D by |gradient times difference|, x (K, B, c, h, w)."""
        point = x.clone().requires_grad_()
        with torch.enable_grad():
            terms, x_hat = self.score_and_reconstruct(point)
            (gradient,) = torch.autograd.grad(terms["features"].sum(), point)
        x_hat = x_hat.detach()
        weights = (gradient * (x - x_hat)).abs().flatten(2) + 1e-12
        features = terms["features"].detach().unsqueeze(2) * weights / weights.sum(2, keepdim=True)
        residuals = self.settings.residual_weight * self.residual_shares(x, x_hat)
        return ModelAttribution(residuals + features.view_as(x), x_hat, terms)


# -- settings and recipes ----------------------------------------------------------------------------------------------


class EGBADSettings(BiGANSettings):
    """Settings of `EGBAD`."""

    distance: Literal["relative", "norm", "correlation"] = "relative"
    discriminator_loss: Literal["fm", "sigma", "sigma_released", "memory"] = "fm"
    memory_size: int = Field(default=4096, ge=16, multiple_of=16)
    residual_weight: float = Field(default=0.9, ge=0, le=1)


def default(shape: tuple[int, ...]) -> dict[str, Any]:
    """Return the default values for encoded rows (d,) or images (c, h, w).

    Early stopping ends nearly every training before the last step. The learning rate is constant: with a decay towards the
    last step, the number of steps would matter.
    """
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
            "distance": "relative",
            # Relative distances tolerate rare rows, so frequent rows must not crowd them out.
            "preprocessing": {"drop_duplicates": True},
            "training": {"steps": 6000, "learning_rate_decay": False},
            "early_stopping": {**stopping, "interval": 100},
        }
    return merge_settings(bigan_default(shape), own)


def paper(shape: tuple[int, ...]) -> dict[str, Any]:
    """Return the paper's values, as read from its released code."""
    return released_recipe(shape) | {"cycle_weight": 0.0, "distance": "norm"}


# -- the detector ------------------------------------------------------------------------------------------------------


@dataclass(kw_only=True, eq=False, repr=False)
class EGBAD(LatentDetector[EGBADSettings]):
    """Anomaly detection with a bidirectional GAN.

    Learns from normal rows (n, d) or images (n, h, w), (n, c, h, w) of 8 x 8 to 128 x 128 pixels. Scores new ones in one
    forward pass by A(x) = w L_G(x) + (1 - w) L_D(x); higher is more anomalous.

    Parameters
    ----------
    adversarial_weight : float, optional
        Weight of the adversarial loss of E and G. With 0 the model is an autoencoder.
    cycle_weight : float, optional
        Weight of ``|x - G(E(x))|`` in the loss of E and G.
    distance : {"relative", "norm", "correlation"}, optional
        Distance of x and G(E(x)), and of D's features. "norm" is the paper's. "relative" is the mean over units of
        log(1 + distance / typical distance among training rows). "correlation" is 1 minus the correlation.
    discriminator_loss : {"fm", "sigma", "sigma_released", "memory"}, optional
        L_D: "fm" is the distance of D's features (feature matching). "sigma" is the cross-entropy of D's logit of
        (x, E(x)) as in the paper, "sigma_released" that of (G(E(x)), E(x)) as in the released code. "memory" is the cosine
        distance of E(x) to the nearest latent of a normal sample in memory.
    residual_weight : float, optional
        w, the paper's alpha, in [0, 1].
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
    networks : callable, optional
        Networks of your own in place of the built-in ones: a function of the shape of an encoded row (d,) or image (c, h, w)
        and of `n_latent` that returns three torch modules: E maps x (n, ...) to z (n, n_latent), G maps z to x, and D maps
        (x, z) to logits (n,) or (n, 1), or for "fm" to a pair of logits and features (n, m).
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
    settings_ : EGBADSettings
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
    Zenati, Foo, Lecouat, Manek, Chandrasekhar, "Efficient GAN-Based Anomaly Detection", arXiv:1802.06222, 2018.
    Donahue, Kraehenbuehl, Darrell, "Adversarial Feature Learning", arXiv:1605.09782, ICLR 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from egbad import EGBAD
    >>> from egbad.training import TrainingConfig
    >>> X = np.random.default_rng(0).normal(size=(500, 4))
    >>> detector = EGBAD(training=TrainingConfig(steps=200), alpha=0.05, random_state=0).fit(X)
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
    discriminator_loss: str | None = None
    residual_weight: float | None = None

    def _build(self, shape: tuple[int, ...], generators: MemberGenerators) -> Model[EGBADSettings]:
        model = super()._build(shape, generators)
        if (table := self.table_encoder) is not None:
            weights, groups = torch.from_numpy(table.column_weights()).float(), torch.from_numpy(table.source_columns)
            model.register_buffer("column_weights", weights, persistent=False)
            model.register_buffer("column_groups", groups, persistent=False)
        return model

    def _finalize(self, model: Model[EGBADSettings], x: Encoded) -> None:
        super()._finalize(model, subsample(x, self.seed_) if self.settings_.discriminator_loss == "memory" else x)
