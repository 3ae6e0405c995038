"""Parameters that methods with a generator share."""

from dataclasses import dataclass

from egbad.detectors.base import TorchDetector
from egbad.detectors.gan.models import P


@dataclass(kw_only=True, eq=False, repr=False)
class GANDetector(TorchDetector[P]):
    """A detector with a generator.

    Parameters
    ----------
    n_latent : int, optional
        Length of z. Default 32 or half the columns, whichever is less, and 32 for images.
    width : int, optional
        Units of the first hidden layer, or channels of the first convolution.
    dropout : float, optional
        Share of D's units that are dropped while training, in [0, 1).
    prior : {"normal", "uniform"}, optional
        p(z): N(0, I) as in the released code, or U[-1, 1].
    input_noise : float, optional
        Standard deviation of the noise on D's view of x, in encoded units.
    discriminator_lr_scale : float, optional
        D's learning rate, as a multiple of that of the others.
    """

    n_latent: int | None = None
    width: int | None = None
    dropout: float | None = None
    prior: str | None = None
    input_noise: float | None = None
    discriminator_lr_scale: float | None = None
