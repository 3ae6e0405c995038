"""DSEBM: deep structured energy-based models trained by score matching (Zhai et al., 2016, arXiv:1605.07717).

The gradient of the energy points from the reconstruction r(x) = x - grad E(x) to x, and score matching is the training of a
denoising autoencoder. DSEBM-e scores by the energy, DSEBM-r by |x - r(x)|^2.

``recipe="paper"`` has the noise, learning rates, batches and numbers of units of the DSEBM that ALAD's authors released for
KDD99, CIFAR-10 and SVHN. Departures from that code, whose energy is not the paper's: the experts are the units of the last
layer, not the output of an autoencoder with tied weights, and b' is shared by all rows of a batch. Images pass through the
convolutions that other methods here have, instead of one convolution and a pooling. Columns are standardised, and training
has as many steps as in the default recipe, since the code states no number of epochs.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from egbad.detectors.base import Model, TorchDetector, TorchSettings, merge_settings
from egbad.nn.generators import MemberGenerators
from egbad.nn.layers import Softplus
from egbad.nn.networks import encoder
from egbad.nn.ops import softplus
from egbad.training.players import Player

# -- the model ---------------------------------------------------------------------------------------------------------


class DSEBMModel(Model["DSEBMSettings"]):
    """E(x) = 1/2 |x - b'|^2 - sum_j h_j(x) with the softplus units h_j of the last layer, equation 3 of the paper."""

    def __init__(self, shape: tuple[int, ...], settings: "DSEBMSettings", generators: MemberGenerators) -> None:
        super().__init__(shape, settings, generators)
        self.experts = encoder(generators, shape, settings.width, settings.n_experts, Softplus)
        self.b = nn.Parameter(torch.zeros(len(generators), 1, *shape, dtype=torch.float32))  # the paper's b'

    def energy_terms(self, x: Tensor) -> dict[str, Tensor]:
        """Return the two terms (K, B) of E(x), x (K, B, ...), equation 3 of the paper."""
        bowl = 0.5 * ((x - self.b) ** 2).flatten(2).sum(2)
        return {"bowl": bowl, "experts": -softplus(self.experts(self.preprocess(x))).sum(2)}

    def gradient(self, x: Tensor, *, create_graph: bool = False) -> Tensor:
        """Return grad E(x) (K, B, ...), x (K, B, ...); training and explanations need its graph."""
        with torch.enable_grad():
            x = x if x.requires_grad else x.detach().requires_grad_()
            energy = sum(self.energy_terms(x).values())
            (gradient,) = torch.autograd.grad(energy.sum(), [x], create_graph=create_graph)  # type: ignore[union-attr]
        return gradient

    def players(self) -> tuple[Player, ...]:
        """Return all parameters as one player."""
        return (Player("score matching", [*self.parameters()], self.loss),)

    def loss(self, x: Tensor) -> Tensor:
        """Return the mean of |x - r(x + noise)|^2 (K,) over rows of x (K, B, ...)."""
        x = self.preprocess(x)
        noisy = x + self.settings.noise * self.generators.normal(*x.shape[1:], per_row=True)
        r = noisy - self.gradient(noisy, create_graph=True)
        return ((x - r) ** 2).flatten(2).sum(2).mean(1)

    def score_terms(self, x: Tensor) -> dict[str, Tensor]:
        """Return the terms of E(x), or |x - r(x)|^2 = |grad E(x)|^2, (K, B), x (K, B, ...)."""
        if self.settings.score_type == "energy":
            return self.energy_terms(x)
        gradient = self.gradient(x, create_graph=x.requires_grad)
        return {"reconstruction": (gradient**2).flatten(2).sum(2)}

    def criterion(self, x: Tensor) -> Tensor:
        """Return |x - r(x)|^2 (K, B), x (K, B, ...)."""
        return (self.gradient(self.preprocess(x)) ** 2).flatten(2).sum(2)

    def reconstruct(self, x: Tensor) -> Tensor:
        """Return r(x) = x - grad E(x), x (K, B, ...)."""
        return x - self.gradient(x)


# -- settings and recipes ----------------------------------------------------------------------------------------------


class DSEBMSettings(TorchSettings):
    """Settings of `DSEBM`."""

    width: int = Field(ge=1)
    n_experts: int = Field(ge=1)
    noise: float = Field(gt=0)
    score_type: Literal["energy", "reconstruction"] = "energy"


def default(shape: tuple[int, ...]) -> dict[str, Any]:
    """Return the default values for encoded rows (d,), with the layers of the code for KDD99, or images (c, h, w)."""
    if len(shape) == 1:
        training = {"learning_rate": 1e-3, "beta1": 0.9, "batch_size": 128, "steps": 3000}
        return {"width": 128, "n_experts": 512, "noise": 0.5, "training": training}
    training = {"learning_rate": 1e-3, "beta1": 0.9, "batch_size": 32, "steps": 800}
    return {"width": 32, "n_experts": 256, "noise": 0.5, "training": training}


def paper(shape: tuple[int, ...]) -> dict[str, Any]:
    """Return the values of the DSEBM released with ALAD: for rows those for KDD99, for images those for CIFAR-10 and SVHN."""
    own: dict[str, Any] = {"noise": 1.0, "training": {"learning_rate": 1e-4, "batch_size": 100}}
    if len(shape) == 3:
        own = {"noise": 1.0, "width": 64, "n_experts": 128, "training": {"learning_rate": 3e-3, "batch_size": 32}}
    constant = {"learning_rate_decay": False, "ema_decay": 0.0}
    return merge_settings(default(shape), own, {"training": constant})


# -- the detector ------------------------------------------------------------------------------------------------------


@dataclass(kw_only=True, eq=False, repr=False)
class DSEBM(TorchDetector[DSEBMSettings]):
    """Deep structured energy-based model; the score is the energy or the reconstruction error.

    Parameters
    ----------
    width : int, optional
        Units of the first layer, or channels of the first convolution.
    n_experts : int, optional
        Units of the last layer, whose sum is subtracted from the energy.
    noise : float, optional
        Standard deviation of the noise that score matching adds, in encoded units.
    score_type : {"energy", "reconstruction"}, optional
        DSEBM-e or DSEBM-r.
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
    settings_ : DSEBMSettings
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
    Zhai, Cheng, Lu, Zhang, "Deep Structured Energy Based Models for Anomaly Detection", arXiv:1605.07717, ICML 2016.

    Examples
    --------
    >>> import numpy as np
    >>> from egbad.detectors import DSEBM
    >>> from egbad.training import TrainingConfig
    >>> X = np.random.default_rng(0).normal(size=(500, 4))
    >>> detector = DSEBM(training=TrainingConfig(steps=200), alpha=0.05, random_state=0).fit(X)
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
