"""`GANDetector`: parameters of the methods with a generator."""

from dataclasses import dataclass

from egbad.detectors.base import TorchDetector
from egbad.detectors.gan.models import P


@dataclass(kw_only=True, eq=False, repr=False)
class GANDetector(TorchDetector[P]):
    """Base class of detectors with a generator.

    Parameters
    ----------
    n_latent : int, optional
        Length of z. Default 32, for rows at most half the number of encoded columns.
    width : int, optional
        Units of the first hidden layer, or channels of the first convolution.
    dropout : float, optional
        Fraction of D's units to drop during training, in [0, 1).
    prior : {"normal", "uniform"}, optional
        p(z): N(0, I), as in the released code, or U[-1, 1].
    input_noise : float, optional
        Standard deviation of the noise that is added to D's input, in encoded units.
    discriminator_lr_scale : float, optional
        Learning rate of D relative to that of its opponents.
    """

    n_latent: int | None = None
    width: int | None = None
    dropout: float | None = None
    prior: str | None = None
    input_noise: float | None = None
    discriminator_lr_scale: float | None = None
