"""`GANDetector`: parameters of the methods with a generator; `LatentDetector`: the latent space of those with an encoder."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from egbad.detectors.base import Floats, Model, TorchDetector
from egbad.detectors.base.batching import pad_chunks
from egbad.detectors.gan.models import B, BiGANModel, P
from egbad.errors import InvalidEntryError, InvalidInputError, shorten
from egbad.nn.generators import MemberGenerators
from egbad.preprocessing.sklearn_base import ClassNamePrefixFeaturesOutMixin, TransformerMixin


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
    input_noise : float, optional
        Standard deviation of the noise that is added to D's input, in encoded units.
    discriminator_lr_scale : float, optional
        Learning rate of D relative to that of its opponents.
    """

    n_latent: int | None = None
    width: int | None = None
    dropout: float | None = None
    input_noise: float | None = None
    discriminator_lr_scale: float | None = None


@dataclass(kw_only=True, eq=False, repr=False)
class LatentDetector(ClassNamePrefixFeaturesOutMixin, TransformerMixin, GANDetector[B]):
    """Detector that is also a scikit-learn transformer x -> E(x) with an inverse z -> G(z).

    Parameters
    ----------
    networks : callable, optional
        Networks of the user's own, see `egbad.nn.network_factory.build_own_networks`.
    """

    networks: Any = None

    def check_parameters(self) -> None:
        """Check the parameters as far as that is possible without data.

        Raises
        ------
        InvalidInputError
            If a parameter is out of its range.
        """
        super().check_parameters()
        if self.networks is None:
            return
        if not callable(self.networks) or isinstance(self.networks, nn.Module):
            raise InvalidInputError(
                "networks must be a function networks(shape, n_latent) that returns three torch modules E, G and D, got "
                f"{shorten(repr(self.networks))}."
            )
        given = [name for name in ("width", "dropout") if getattr(self, name) is not None]
        if given:
            raise InvalidInputError(
                f"{' and '.join(given)} must be None with networks of your own, which have their own sizes, got "
                f"{getattr(self, given[0])!r}."
            )

    def given_parameters(self, names: Mapping[str, Any]) -> dict[str, Any]:
        """Return the parameters among `names` that are not None, nested by group; networks of the user's own as "own"."""
        given = super().given_parameters(names)
        return given | {"networks": "own"} if "networks" in given else given

    def _build(self, shape: tuple[int, ...], generators: MemberGenerators) -> Model[B]:
        if (self.networks is None) == (self.settings_.networks == "own"):
            raise InvalidEntryError("state.settings.networks", "must be 'own' if and only if networks are given")
        assert issubclass(self.model_type, BiGANModel)
        return self.model_type(shape, self.settings_, generators, self.networks)

    def transform(self, X: Any) -> Floats:
        """Return the representation E(x) of rows or images.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or images of shape (n_samples, [channels,] height, width)

        Returns
        -------
        ndarray of shape (n_samples, members * n_latent)
            The latents of all members, side by side.

        Raises
        ------
        InvalidInputError
            If X does not match the fitted detector.
        """
        if self.features == "patches" and self.backbone is not None:
            raise InvalidInputError("transform needs one row for each image. Fit with features='global'.")
        encoded = self.encoder_.encode(self.check_input(X).x)
        model = self._representation()
        parts = self._runner.map(lambda chunk, n: model.E(model.preprocess(chunk))[:, :n], encoded)
        z = torch.cat(parts, dim=1)  # (K, n, k)
        return z.transpose(0, 1).flatten(1).double().cpu().numpy()

    def inverse_transform(self, Z: Any) -> Floats:
        """Return the rows or images G(z) of representations, averaged over members.

        Parameters
        ----------
        Z : array-like of shape (n_samples, members * n_latent)
            Representations as `transform` returns them.

        Returns
        -------
        ndarray of shape (n_samples, ...)
            In the units and shape of the training data.

        Raises
        ------
        InvalidInputError
            If Z has another number of columns.
        """
        model = self._representation()
        z = np.asarray(Z, dtype=np.float32)
        if z.ndim != 2 or z.shape[1] != self._n_features_out:
            raise InvalidInputError(f"Z must have {self._n_features_out} columns, got an array of shape {z.shape}.")
        with torch.no_grad():
            parts = [
                model.G(self._by_member(chunk))[:, :n].mean(0).cpu().numpy()
                for chunk, n in pad_chunks(z, model.chunk_rows)
            ]
        return self._to_user_units(np.asarray(self.encoder_.decode(np.concatenate(parts))))

    def sample(self, n: int, random_state: int = 0) -> Floats:
        """Generate new rows or images G(z) with z ~ p(z), an equal number by each member.

        Parameters
        ----------
        n : int
            Number of samples.
        random_state : int, default=0
            Seed of z.

        Returns
        -------
        ndarray of shape (n, ...)
            In the units and shape of the training data.
        """
        model = self._representation()
        generators = MemberGenerators([random_state + member for member in range(self.members)], self.device_)
        with torch.no_grad():
            x_gen = model.G(model.sample_latent(-(-n // self.members), generators))  # (K, n / K, ...)
        decoded = self.encoder_.decode(x_gen.transpose(0, 1).flatten(0, 1)[:n].cpu().numpy())
        return self._to_user_units(np.asarray(decoded))

    @property
    def _n_features_out(self) -> int:
        """Number of columns of a representation, for `get_feature_names_out`."""
        return self.members * self.settings_.n_latent

    def _representation(self) -> BiGANModel[Any]:
        """Return the fitted model."""
        model = self.model_
        assert isinstance(model, BiGANModel)
        return model

    def _by_member(self, z: Floats) -> Tensor:
        """Split representations (n, K k) into the latents (K, n, k) of the members."""
        by_member = torch.from_numpy(z).to(self.device_).reshape(len(z), self.members, -1)
        return by_member.transpose(0, 1).contiguous()
