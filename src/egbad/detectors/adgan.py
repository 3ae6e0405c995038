"""ADGAN: anomaly detection with a GAN whose generator is fine-tuned for each sample (Deecke et al., 2018, ECML-PKDD).

A GAN learns normal samples. To score x, both z and the weights of G move for a few steps towards x, from several starting
points z_j, each with its own copy of G (algorithm 1 of the paper). The score is the mean squared error that remains.

Departures: the starting points are the same for every row, so that a score is reproducible. The hyperparameters of the
search are as remembered from the paper; there is no released code to confirm them.
"""

from copy import deepcopy
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
from egbad.detectors.gan.models import MAX_SEARCH_STEPS, GANModel, GANSettings, attribute_by_difference
from egbad.detectors.gan.recipes import gan_default
from egbad.nn.generators import MemberGenerators

# -- the model ---------------------------------------------------------------------------------------------------------


class ADGANModel(GANModel["ADGANSettings"]):
    """A GAN, and the search for z and for weights of G."""

    attribution_method = "differences"
    gpu_chunks = 1  # every row has its own copies of G
    other_chunk_rows = other_chunk_images = ()  # testing other sizes would take as long as scoring
    z_start: Tensor

    def __init__(self, shape: tuple[int, ...], settings: "ADGANSettings", generators: MemberGenerators) -> None:
        super().__init__(shape, settings, generators)
        self.register_buffer("z_start", self.sample_latent(settings.n_starts))  # (K, S, k)
        # Small chunks, since the copies of G of all rows and starts must fit into the caches. The number of copies is a
        # multiple of 32: Adam's fused kernel rounds a remainder that does not fill its vectors differently.
        self.chunk_rows = self.chunk_images = 32 // gcd(32, settings.n_starts)

    def search(self, x: Tensor) -> Tensor:
        """Return G_j(z_j) (K, B, S, ...) for the S starts of x (K, B, ...), algorithm 1 of the paper."""
        s, (members, rows) = self.settings, x.shape[:2]
        lead = (members, rows, s.n_starts)

        def copies(t: Tensor) -> Tensor:
            """Repeat weights or moments (K, ...) for each row and start, stacked along the dimension of the members."""
            return t.detach()[:, None, None].expand(*lead, *t.shape[1:]).flatten(0, 2).clone()

        g = deepcopy(self.G)  # `functional_call` puts other weights into it; other threads search at the same time
        theta = {name: copies(p).requires_grad_() for name, p in self.G.named_parameters()}
        moments = {name: copies(moment) for name, moment in self.G.named_buffers()}  # of batch normalisation
        z = self.z_start[:, None].expand(*lead, -1).flatten(0, 2).unsqueeze(1).clone().requires_grad_()
        target = x.unsqueeze(2).expand(*lead, *x.shape[2:]).flatten(0, 2).unsqueeze(1)  # (K B S, 1, ...)
        parameters = [z, *theta.values()]
        optimizer = torch.optim.Adam(
            [
                {"params": [z], "lr": s.search_learning_rate},
                {"params": [*theta.values()], "lr": s.weights_learning_rate},
            ],
            fused=True,  # nearly three times as fast: one pass over weights and moments
        )
        for _ in range(s.search_steps):
            with torch.enable_grad():
                loss = mean_squared_error(functional_call(g, {**theta, **moments}, z), target).sum()
                gradients = torch.autograd.grad(loss, parameters)
            for parameter, gradient in zip(parameters, gradients, strict=True):
                parameter.grad = gradient
            optimizer.step()
        x_hat: Tensor = functional_call(g, {**theta, **moments}, z)
        return x_hat.detach().reshape(*lead, *x.shape[2:])

    def score_terms(self, x: Tensor) -> dict[str, Tensor]:
        """Return the mean squared error (K, B) after the search, averaged over starts; x (K, B, ...)."""
        x_hat = self.search(x)
        return {"residual": ((x_hat - x.unsqueeze(2)) ** 2).flatten(3).mean((2, 3))}

    def attribute(self, x: Tensor) -> ModelAttribution:
        """Attribute the score of x (K, B, ...) by differences from the reconstruction."""
        return attribute_by_difference(self, x)

    def reconstruct(self, x: Tensor) -> Tensor:
        """Return the mean of G_j(z_j) over starts, x (K, B, ...)."""
        return self.search(x).mean(2)


# -- settings ----------------------------------------------------------------------------------------------------------


class ADGANSettings(GANSettings):
    """Settings of `ADGAN`."""

    n_starts: int = Field(default=8, ge=1)
    search_steps: int = Field(default=5, ge=0, le=MAX_SEARCH_STEPS)
    search_learning_rate: float = Field(default=0.25, gt=0)
    weights_learning_rate: float = Field(default=5e-5, ge=0)


# -- the detector ------------------------------------------------------------------------------------------------------


@dataclass(kw_only=True, eq=False, repr=False)
class ADGAN(GANDetector[ADGANSettings]):
    """Anomaly detection by the error of a GAN whose latent and weights are fitted to each sample.

    Slow by nature: scoring takes `search_steps` passes through `n_starts` copies of the generator per row.

    Parameters
    ----------
    n_starts : int, optional
        Number of starting points z_j per row. Default 8.
    search_steps : int, optional
        Number of steps of the search. Default 5.
    search_learning_rate : float, optional
        Learning rate of Adam for z.
    weights_learning_rate : float, optional
        Learning rate of Adam for the copies of the generator. It must be small, or anomalies are fitted as well.
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
    recipe : str, default="default"
        Source of the values of parameters that are None. "default" is chosen for stability; there is no other.
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
    settings_ : ADGANSettings
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
    Deecke, Vandermeulen, Ruff, Mandt, Kloft, "Image Anomaly Detection with Generative Adversarial Networks",
    ECML-PKDD 2018.

    Examples
    --------
    >>> import numpy as np
    >>> from egbad.detectors import ADGAN
    >>> from egbad.training import TrainingConfig
    >>> X = np.random.default_rng(0).normal(size=(500, 4))
    >>> detector = ADGAN(training=TrainingConfig(steps=200), alpha=0.05, random_state=0).fit(X)
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

    @property
    def has_cheap_maps(self) -> bool:
        """False: an explanation searches once more."""
        return False
