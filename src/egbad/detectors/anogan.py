"""AnoGAN: anomaly detection by searching a GAN's latent space (Schlegl et al., 2017, arXiv:1703.05921).

A GAN learns what is normal; for a row to score, z is moved by gradient descent until G(z) is as near as it comes.
Departures: every row is searched from the same z, so that a score repeats; the search of many rows goes side by side.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from egbad.detectors.base import ModelAttribution
from egbad.detectors.gan.detector import GANDetector
from egbad.detectors.gan.losses import cross_entropy_real, norm_distance
from egbad.detectors.gan.models import GANModel, GANSettings, shares_by_difference
from egbad.detectors.gan.recipes import gan_default, released_recipe
from egbad.nn.generators import MemberGenerators


class AnoGANSettings(GANSettings):
    """Every value decided."""

    discriminator_loss: Literal["fm", "sigma"] = "fm"
    feature_weight: float = Field(default=0.1, ge=0, le=1)
    search_steps: int = Field(default=500, ge=0)
    search_learning_rate: float = Field(default=0.01, gt=0)
    search_decay: bool = True


def search_rate(step: int, settings: AnoGANSettings) -> float:
    """Learning rate of the search at `step`: a tenth from three fifths of the way, a twentieth from four fifths.

    With 500 steps from 0.01 it is the released code's for KDD99: 0.01, 0.001 from step 300, 0.0005 from step 400.
    """
    if not settings.search_decay or step < 0.6 * settings.search_steps:
        return settings.search_learning_rate
    return settings.search_learning_rate * (0.1 if step < 0.8 * settings.search_steps else 0.05)


class AnoGANModel(GANModel[AnoGANSettings]):
    """A GAN, and the search for z."""

    attribution_method = "differences"

    other_chunk_rows = other_chunk_images = ()  # to find out about them would take as long as to score
    z_start: Tensor

    def __init__(self, shape: tuple[int, ...], settings: AnoGANSettings, generators: MemberGenerators) -> None:
        super().__init__(shape, settings, generators)
        # The same start for every row, (K, 1, k).
        self.register_buffer("z_start", torch.cat([self.start(member) for member in generators.split_members()]))

    def start(self, generators: MemberGenerators) -> Tensor:
        """A latent (1, 1, k); what lies beyond two standard deviations is drawn again, as the released code does."""
        z = self.latent(64, generators)
        while (z.abs() > 2).any():
            z = torch.where(z.abs() > 2, self.latent(64, generators), z)
        return z[:, :1]

    def losses(self, x: Tensor, z: Tensor, f: Tensor) -> dict[str, Tensor]:
        """(1 - lambda) |x - G(z)|_1 and lambda L_D, section 2.2; x (K, B, ...), z (K, B, k), f(x) -> each (K, B).

        L_D is |f(x) - f(G(z))|_1, or sigma(D(G(z)), 1) in the way of Yeh et al. (2016).
        """
        s, x_hat = self.settings, self.G(z)
        f_hat = self.D.features(x_hat)
        if s.discriminator_loss == "sigma":
            l_d = cross_entropy_real(self.D.logit(f_hat))
        else:
            l_d = norm_distance(f, f_hat)
        weight = s.feature_weight
        return {"residual": (1 - weight) * norm_distance(x, x_hat), "features": weight * l_d}

    def search(self, x: Tensor) -> Tensor:
        """The z (K, B, k) whose G(z) is nearest to x (K, B, ...)."""
        f = self.D.features(self.preprocess(x)).detach()
        z = self.z_start.expand(-1, x.shape[1], -1).clone().requires_grad_()
        optimizer = torch.optim.Adam([z])  # anew for every chunk, and elementwise: rows share no state
        for step in range(self.settings.search_steps):
            optimizer.param_groups[0]["lr"] = search_rate(step, self.settings)
            with torch.enable_grad():
                loss = sum(self.losses(x, z, f).values())
                (z.grad,) = torch.autograd.grad(loss.sum(), [z])  # type: ignore[union-attr]
            optimizer.step()
        return z.detach()

    def score_terms(self, x: Tensor) -> dict[str, Tensor]:
        """A(x) = (1 - lambda) L_R(x, z) + lambda L_D(x, z) at the end of the search, section 2.3."""
        return self.losses(x, self.search(x), self.D.features(self.preprocess(x)))

    def attribute(self, x: Tensor) -> ModelAttribution:
        return shares_by_difference(self, x)

    def reconstruct(self, x: Tensor) -> Tensor:
        x_hat: Tensor = self.G(self.search(x))
        return x_hat


@dataclass(kw_only=True, eq=False, repr=False)
class AnoGAN(GANDetector[AnoGANSettings]):
    """Anomaly detection by searching, for each row, the z whose G(z) is nearest.

    Slow by nature: scoring takes `search_steps` forward and backward passes, where EGBAD takes one forward pass.

    Parameters
    ----------
    discriminator_loss : {"fm", "sigma"}, optional
        What D has to say: by feature matching, or by the cross-entropy of its logit on G(z).
    feature_weight : float, optional
        lambda, the weight of that, in [0, 1]; the residual has the rest.
    search_steps : int, optional
        Steps of the search. Default 500.
    search_learning_rate : float, optional
        Adam's, in the search.
    search_decay : bool, optional
        Whether that falls to a tenth after three fifths of the steps, and to a twentieth after four fifths.

    References
    ----------
    Schlegl, Seeboeck, Waldstein, Schmidt-Erfurth, Langs, "Unsupervised Anomaly Detection with Generative Adversarial
    Networks to Guide Marker Discovery", arXiv:1703.05921, IPMI 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from egbad.detectors import AnoGAN
    >>> X = np.random.default_rng(0).normal(size=(500, 4))
    >>> detector = AnoGAN(steps=200, search_steps=50, alpha=0.05, random_state=0).fit(X)
    >>> detector.predict(np.array([[0.0, 0.0, 0.0, 0.0], [9.0, -9.0, 9.0, -9.0]]))
    array([ 1, -1])
    """

    name: ClassVar[str] = "anogan"
    settings_type: ClassVar = AnoGANSettings
    model_type: ClassVar = AnoGANModel
    recipes: ClassVar = {"default": gan_default, "paper": released_recipe}
    tunable: ClassVar = {"n_latent": (8, 32), "feature_weight": (0.1, 0.5)}

    discriminator_loss: str | None = None
    feature_weight: float | None = None
    search_steps: int | None = None
    search_learning_rate: float | None = None
    search_decay: bool | None = None
