"""AnoGAN: anomaly detection by a search in a GAN's latent space (Schlegl et al., 2017, arXiv:1703.05921).

A GAN learns normal samples. To score x, z moves by gradient descent until G(z) is as close to x as possible. The score is
A(x) = (1 - lambda) L_R(x, z) + lambda L_D(x, z) at the end of the search (section 2.3 of the paper).

Departures: the search starts from the same z for every row, so that a score is reproducible; many rows are searched at once.
The default recipe has its own networks and training, with noise on D's input and the decay of the search rate that was
released for rows also on images. ``recipe="paper"`` follows the code of EGBAD's authors, except that D scores with averaged
weights like G, and that Adam's moments are new in every search.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from egbad.detectors.base import ModelAttribution
from egbad.detectors.gan.detector import GANDetector
from egbad.detectors.gan.losses import cross_entropy_real, norm_distance
from egbad.detectors.gan.models import MAX_SEARCH_STEPS, GANModel, GANSettings, attribute_by_difference
from egbad.detectors.gan.recipes import gan_default, released_recipe
from egbad.nn.generators import MemberGenerators

_MAX_START = 2.0  # largest entry of the starting latent, as in the released code

# -- formulas ----------------------------------------------------------------------------------------------------------


def search_rate(step: int, n_steps: int, learning_rate: float, milestones: tuple[float, float] = (0.6, 0.8)) -> float:
    """Return the learning rate of the search: a tenth from the first milestone on, a twentieth from the second.

    With 500 steps from 0.01 these are the values of the released code for KDD99: 0.01, 0.001 from step 300, 0.0005 from
    step 400. That for MNIST has the milestones 0.4 and 0.6, steps 200 and 300. Both change the rate one step later than here.

    Parameters
    ----------
    step : int
        From 0 to n_steps - 1.
    n_steps : int
    learning_rate : float
        Learning rate of the first step.
    milestones : tuple of float
        Shares of the steps.

    Returns
    -------
    float
    """
    first, second = (milestone * n_steps for milestone in milestones)
    if step < first:
        return learning_rate
    return learning_rate * (0.1 if step < second else 0.05)


# -- the model ---------------------------------------------------------------------------------------------------------


class AnoGANModel(GANModel["AnoGANSettings"]):
    """A GAN, and the search for z."""

    attribution_method = "differences"
    other_chunk_rows = other_chunk_images = ()  # testing other sizes would take as long as scoring
    z_start: Tensor

    def __init__(self, shape: tuple[int, ...], settings: "AnoGANSettings", generators: MemberGenerators) -> None:
        super().__init__(shape, settings, generators)
        starts = [self.sample_start(member) for member in generators.split_members()]
        self.register_buffer("z_start", torch.cat(starts))  # (K, 1, k)

    def sample_start(self, generators: MemberGenerators) -> Tensor:
        """Draw a latent (1, 1, k) with all entries in [-2, 2]: entries outside are drawn again."""
        z = self.sample_latent(64, generators)
        while not z.is_meta and (z.abs() > _MAX_START).any():
            z = torch.where(z.abs() > _MAX_START, self.sample_latent(64, generators), z)
        return z[:, :1]

    def losses(self, x: Tensor, z: Tensor, f: Tensor) -> dict[str, Tensor]:
        """Return (1 - lambda) |x - G(z)|_1 and lambda L_D, section 2.2 of the paper.

        L_D is |f(x) - f(G(z))|_1, or sigma(D(G(z)), 1) as in Yeh et al. (2016).

        Parameters
        ----------
        x : Tensor of shape (K, B, ...)
        z : Tensor of shape (K, B, k)
        f : Tensor of shape (K, B, n_features)
            Features of x in D.

        Returns
        -------
        dict of str to Tensor of shape (K, B)
        """
        s, x_hat = self.settings, self.G(z)
        f_hat = self.D.features(x_hat)
        if s.discriminator_loss == "sigma":
            l_d = cross_entropy_real(self.D.logit(f_hat))
        else:
            l_d = norm_distance(f, f_hat)
        lambda_ = s.feature_weight
        return {"residual": (1 - lambda_) * norm_distance(x, x_hat), "features": lambda_ * l_d}

    def search(self, x: Tensor) -> Tensor:
        """Return the z (K, B, k) at the end of the search for x (K, B, ...)."""
        s = self.settings
        f = self.D.features(self.preprocess(x)).detach()
        z = self.z_start.expand(-1, x.shape[1], -1).clone().requires_grad_()
        optimizer = torch.optim.Adam([z])  # new for every chunk and elementwise, so rows share no state
        for step in range(s.search_steps):
            rate = search_rate(step, s.search_steps, s.search_learning_rate, s.search_milestones)
            optimizer.param_groups[0]["lr"] = rate if s.search_decay else s.search_learning_rate
            with torch.enable_grad():
                loss = sum(self.losses(x, z, f).values())
                (z.grad,) = torch.autograd.grad(loss.sum(), [z])  # type: ignore[union-attr]
            optimizer.step()
        return z.detach()

    def score_terms(self, x: Tensor) -> dict[str, Tensor]:
        """Return both losses (K, B) of x (K, B, ...) at the end of the search, section 2.3 of the paper."""
        return self.losses(x, self.search(x), self.D.features(self.preprocess(x)))

    def attribute(self, x: Tensor) -> ModelAttribution:
        """Attribute the score of x (K, B, ...) by differences from the reconstruction."""
        return attribute_by_difference(self, x)

    def reconstruct(self, x: Tensor) -> Tensor:
        """Return G(z) at the end of the search for x (K, B, ...)."""
        x_hat: Tensor = self.G(self.search(x))
        return x_hat


# -- settings and recipes -----------------------------------------------------------------------------------------------------


class AnoGANSettings(GANSettings):
    """Settings of `AnoGAN`."""

    discriminator_loss: Literal["fm", "sigma"] = "fm"
    feature_weight: float = Field(default=0.1, ge=0, le=1)
    search_steps: int = Field(default=500, ge=0, le=MAX_SEARCH_STEPS)
    search_learning_rate: float = Field(default=0.01, gt=0)
    search_decay: bool = True
    search_milestones: tuple[float, float] = (0.6, 0.8)


def paper(shape: tuple[int, ...]) -> dict[str, Any]:
    """Return the values of the code that EGBAD's authors released for KDD99 and MNIST."""
    return released_recipe(shape) | {"search_milestones": (0.4, 0.6) if len(shape) == 3 else (0.6, 0.8)}


# -- the detector ------------------------------------------------------------------------------------------------------


@dataclass(kw_only=True, eq=False, repr=False)
class AnoGAN(GANDetector[AnoGANSettings]):
    """Anomaly detection by a search for the latent whose generated sample is closest.

    Slow by nature: scoring takes `search_steps` forward and backward passes, where EGBAD takes one forward pass.

    Parameters
    ----------
    discriminator_loss : {"fm", "sigma"}, optional
        L_D: distance of D's features of x and G(z) ("feature matching"), or cross-entropy of D's logit of G(z).
    feature_weight : float, optional
        lambda, the weight of L_D, in [0, 1]. The residual has the weight 1 - lambda.
    search_steps : int, optional
        Number of steps of the search. Default 500.
    search_learning_rate : float, optional
        Learning rate of Adam in the search.
    search_decay : bool, optional
        Divide the learning rate of the search by 10 after 3/5 of the steps and by 20 after 4/5; with ``recipe="paper"``
        on images after 2/5 and 3/5.
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
    settings_ : AnoGANSettings
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
    Schlegl, Seeboeck, Waldstein, Schmidt-Erfurth, Langs, "Unsupervised Anomaly Detection with Generative Adversarial
    Networks to Guide Marker Discovery", arXiv:1703.05921, IPMI 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from egbad.detectors import AnoGAN
    >>> from egbad.training import TrainingConfig
    >>> X = np.random.default_rng(0).normal(size=(500, 4))
    >>> detector = AnoGAN(training=TrainingConfig(steps=200), search_steps=50, alpha=0.05, random_state=0).fit(X)
    >>> detector.predict(np.array([[0.0, 0.0, 0.0, 0.0], [9.0, -9.0, 9.0, -9.0]]))
    array([ 1, -1])
    """

    name: ClassVar[str] = "anogan"
    settings_type: ClassVar = AnoGANSettings
    model_type: ClassVar = AnoGANModel
    recipes: ClassVar = {"default": gan_default, "paper": paper}
    tunable: ClassVar = {"n_latent": (8, 32), "feature_weight": (0.1, 0.5)}

    discriminator_loss: str | None = None
    feature_weight: float | None = None
    search_steps: int | None = None
    search_learning_rate: float | None = None
    search_decay: bool | None = None

    @property
    def has_cheap_maps(self) -> bool:
        """False: an explanation searches once more."""
        return False
