"""BiGAN: a representation learned by adversarial training (Donahue et al., 2017, arXiv:1605.09782).

An encoder E: x -> z and a generator G: z -> x play against a discriminator D of pairs (x, z). At the optimum E and G invert
each other. As a detector BiGAN scores by |x - G(E(x))| alone; `EGBAD` also uses D.

Departures: far from the optimum little pushes E and G to invert each other. The default recipe therefore adds cycle
consistency |x - G(E(x))| to their loss, like EGBAD's. It also departs from EGBAD's released code like the default recipe of
`EGBAD` in noise, learning rates, batches, networks and columns, but trains on all rows for a fixed number of steps.
`recipe="paper"` has the adversarial loss alone, with the networks and values of that code instead of BiGAN's own.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from egbad.detectors.gan.detector import LatentDetector
from egbad.detectors.gan.losses import norm_distance
from egbad.detectors.gan.models import BiGANModel, BiGANSettings
from egbad.detectors.gan.recipes import bigan_default, released_recipe

# -- the model ---------------------------------------------------------------------------------------------------------


class BiGANRepresentation(BiGANModel[BiGANSettings]):
    """E, G and D, with the reconstruction error as score."""

    def score_terms(self, x: Tensor) -> dict[str, Tensor]:
        """Return |x - G(E(x))| (K, B) of x (K, B, ...)."""
        return {"residual": norm_distance(x, self.reconstruct(x), self.settings.degree)}


# -- recipes -----------------------------------------------------------------------------------------------------------


def paper(shape: tuple[int, ...]) -> dict[str, Any]:
    """Return the values of EGBAD's released code with the adversarial loss alone."""
    return released_recipe(shape) | {"cycle_weight": 0.0}


# -- the detector ------------------------------------------------------------------------------------------------------


@dataclass(kw_only=True, eq=False, repr=False)
class BiGAN(LatentDetector[BiGANSettings]):
    """Bidirectional GAN: a scikit-learn transformer x -> E(x) with an inverse z -> G(z), and a detector.

    Parameters
    ----------
    adversarial_weight : float, optional
        Weight of the adversarial loss of E and G. With 0 the model is an autoencoder.
    cycle_weight : float, optional
        Weight of ``|x - G(E(x))|`` in the loss of E and G.
    degree : float, optional
        Degree of the norm of x - G(E(x)).
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
        (x, z) to logits (n,) or (n, 1).
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
    settings_ : BiGANSettings
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
    Donahue, Kraehenbuehl, Darrell, "Adversarial Feature Learning", arXiv:1605.09782, ICLR 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from egbad.detectors import BiGAN
    >>> from egbad.training import TrainingConfig
    >>> X = np.random.default_rng(0).normal(size=(500, 4))
    >>> bigan = BiGAN(training=TrainingConfig(steps=100), alpha=0.05, random_state=0).fit(X)
    >>> z = bigan.transform(X)
    >>> z.shape, bigan.inverse_transform(z).shape, bigan.sample(3).shape
    ((500, 2), (500, 4), (3, 4))
    """

    name: ClassVar[str] = "bigan"
    settings_type: ClassVar = BiGANSettings
    model_type: ClassVar = BiGANRepresentation
    recipes: ClassVar = {"default": bigan_default, "paper": paper}
    tunable: ClassVar = {
        "training__learning_rate": (3e-4, 1e-3, 3e-3),
        "n_latent": (8, 32, 64),
        "adversarial_weight": (0.1, 1.0),
    }

    adversarial_weight: float | None = None
    cycle_weight: float | None = None
    degree: float | None = None
