"""BiGAN: a representation learned by a game (Donahue et al., 2017), without EGBAD's score.

E and G invert each other at the game's optimum; on the way there little asks them to, so that the default recipe adds
cycle consistency |x - G(E(x))|, like EGBAD's. `recipe="paper"` is the game alone.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from torch import Tensor

from egbad.detectors.base import Floats
from egbad.detectors.base.batching import chunks
from egbad.detectors.gan.detector import GANDetector
from egbad.detectors.gan.losses import norm_distance
from egbad.detectors.gan.models import BiGANModel, BiGANSettings
from egbad.detectors.gan.recipes import bigan_default, released_recipe
from egbad.errors import InvalidInputError
from egbad.nn.generators import MemberGenerators


def paper(shape: tuple[int, ...]) -> dict[str, Any]:
    """The game alone, with the values of EGBAD's released code."""
    return released_recipe(shape) | {"cycle_weight": 0.0}


class BiGANRepresentation(BiGANModel[BiGANSettings]):
    """E, G, D, and how far a round trip through z ends from where it began."""

    def score_terms(self, x: Tensor) -> dict[str, Tensor]:
        """|x - G(E(x))|."""
        return {"residual": norm_distance(x, self.reconstruct(x), self.settings.degree)}


@dataclass(kw_only=True, eq=False, repr=False)
class BiGAN(ClassNamePrefixFeaturesOutMixin, TransformerMixin, GANDetector[BiGANSettings]):  # type: ignore[misc]
    """The representation that a bidirectional GAN learns: E: x -> z and back by G: z -> x.

    A scikit-learn transformer. As a detector it scores by |x - G(E(x))| alone; `EGBAD` also asks D.

    Parameters
    ----------
    adversarial_weight, cycle_weight : float, optional
        Weights of the game and of |x - G(E(x))| in the loss of E and G.
    degree : float, optional
        Degree of the norm of x - G(E(x)).

    References
    ----------
    Donahue, Kraehenbuehl, Darrell, "Adversarial Feature Learning", arXiv:1605.09782, ICLR 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from egbad.detectors import BiGAN
    >>> X = np.random.default_rng(0).normal(size=(500, 4))
    >>> bigan = BiGAN(steps=100, alpha=0.05, random_state=0).fit(X)
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

    def transform(self, X: Any) -> Floats:
        """E(x) of rows or images (n, ...) -> (n, members * n_latent), the members' z side by side."""
        encoded = self.encoder_.encode(self.check_input(X).x)
        model = self._game()
        parts = self._chunked.each(lambda chunk, n: model.E(model.preprocess(chunk))[:, :n], encoded)
        z = torch.cat(parts, dim=1)  # (K, n, k)
        return z.transpose(0, 1).flatten(1).double().cpu().numpy()

    def inverse_transform(self, Z: Any) -> Floats:
        """G(z) of what `transform` gives (n, members * n_latent) -> rows or images (n, ...), the mean over members.

        Raises
        ------
        InvalidInputError
            When Z has another number of columns.
        """
        model = self._game()
        z = np.asarray(Z, dtype=np.float32)
        if z.ndim != 2 or z.shape[1] != self._n_features_out:
            raise InvalidInputError(f"Z must have {self._n_features_out} columns, got an array of shape {z.shape}.")
        with torch.no_grad():
            parts = [
                model.G(self._members(chunk))[:, :n].mean(0).cpu().numpy() for chunk, n in chunks(z, model.chunk_rows)
            ]
        return self._to_user_units(np.asarray(self.encoder_.decode(np.concatenate(parts))))

    def sample(self, n: int, random_state: int = 0) -> Floats:
        """n new rows or images G(z), z ~ p(z), from the members in turn."""
        model = self._game()
        generators = MemberGenerators([random_state + member for member in range(self.members)], self.device_)
        with torch.no_grad():
            made = model.G(model.latent(-(-n // self.members), generators))  # (K, n / K, ...)
        decoded = self.encoder_.decode(made.transpose(0, 1).flatten(0, 1)[:n].cpu().numpy())
        return self._to_user_units(np.asarray(decoded))

    @property
    def _n_features_out(self) -> int:
        return self.members * self.settings_.n_latent

    def _game(self) -> BiGANRepresentation:
        model = self.model_
        assert isinstance(model, BiGANRepresentation)
        return model

    def _members(self, z: Floats) -> Tensor:
        """z (n, K k) -> (K, n, k)."""
        by_member = torch.from_numpy(z).to(self.device_).reshape(len(z), self.members, -1)
        return by_member.transpose(0, 1).contiguous()
