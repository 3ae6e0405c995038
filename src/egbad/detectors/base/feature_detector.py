"""`FeatureDetector`: base class of the methods, which learn rows, images, or features of images by a frozen backbone."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import nn

from egbad.arrays import Array, Floats, State
from egbad.backbones import Backbone, load_backbone, restore_backbone
from egbad.backbones.config import MAX_SIDE, FeatureConfig, FeatureSettings
from egbad.backbones.extractor import FeatureExtractor
from egbad.data import MIN_IMAGE_SIDE, Data
from egbad.data.ragged import is_ragged
from egbad.data.tiles import MAX_TILED_SIDE
from egbad.detectors.base.detector import Detector
from egbad.detectors.base.feature_encoder import FEATURES, FeatureEncoder, Features, concatenate_terms
from egbad.detectors.base.saved_state import BACKBONE, CommonState, FeatureState
from egbad.detectors.base.settings import S
from egbad.errors import InvalidEntryError, InvalidInputError, unknown
from egbad.model_file import with_prefix_removed
from egbad.nn.precision import resolve_device
from egbad.preprocessing.row_encoder import Encoder


@dataclass(kw_only=True, eq=False, repr=False)
class FeatureDetector(Detector[S]):
    """A detector that may learn features of images in place of pixels.

    The features are rows to it: recipes, networks, range guard and model files are those for tables. Images may have any size.

    Parameters
    ----------
    backbone : str or Backbone, optional
        Frozen network whose features of images are learned in place of pixels, such as "efficientnet_lite0".
    features : {"global", "patches"}
        A vector for each image, or one for each patch; the score is then that of the most anomalous patches.
    feature_config : FeatureConfig, optional
        Size of the images, layers and scaling of the features.
    """

    parameter_groups: ClassVar[Mapping[str, type[Any]]] = {**Detector.parameter_groups, "feature_config": FeatureConfig}

    backbone: Any = None
    features: str = "global"
    feature_config: FeatureConfig | None = None

    # -- parameters --------------------------------------------------------------------------------------------------

    def check_parameters(self) -> None:
        """Check the parameters as far as that is possible without data.

        Raises
        ------
        InvalidInputError
            If a parameter is out of its range.
        """
        super().check_parameters()
        if self.features not in FEATURES:
            raise unknown("kind of features", str(self.features), FEATURES)
        if not isinstance(self.backbone, str | nn.Module | None):
            raise InvalidInputError(f"backbone must be a name, a torch module or None, got {self.backbone!r}.")
        if self.backbone is None and (self.features != FEATURES[0] or self.feature_config is not None):
            raise InvalidInputError(
                "features and feature_config need a backbone. Set backbone='efficientnet_lite0', or leave them out."
            )
        FeatureSettings.of(self.feature_config)

    # -- input -------------------------------------------------------------------------------------------------------

    @property
    def recipe_shape(self) -> tuple[int, ...]:
        """Shape that decides whether a recipe is that of rows or of images."""
        return super().recipe_shape if self.backbone is None else (1,)

    @property
    def max_side(self) -> int:
        """Largest height and width of an image in pixels."""
        return super().max_side if self.backbone is None else MAX_TILED_SIDE

    @property
    def any_size(self) -> bool:
        """True if images in one array may have different sizes: a backbone sees all of them in one size."""
        return self.backbone is not None

    @property
    def streams_images(self) -> bool:
        """True if `fit` takes images that are decoded when they are needed."""
        return self.backbone is not None

    @property
    def enough_side(self) -> int | None:
        """Side of a square with as many pixels as an image needs."""
        if self.backbone is None:
            return None
        settings: FeatureSettings = FeatureSettings.of(self.feature_config)
        return settings.global_size if self.features == "global" else settings.image_size or MAX_SIDE

    @property
    def min_image_side(self) -> int | None:
        """Least side of an image in pixels, if the detector was fitted on images of different sizes."""
        return MIN_IMAGE_SIDE if getattr(self, "any_size_", False) else None

    @property
    def describes_images(self) -> bool:
        """True if a frozen backbone describes the images, see `image_features`."""
        return self.backbone is not None

    def image_features(self, X: Any) -> Floats:
        """Compute the features that a frozen backbone describes images by.

        Parameters
        ----------
        X : array-like of shape (n_samples, ..., height, width)

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            Scaled; with ``features="patches"`` their means over the patches of each image.

        Raises
        ------
        InvalidInputError
            If the detector has learned pixels or rows, or X does not match its images.
        """
        encoder = self.encoder_
        if not isinstance(encoder, FeatureEncoder):
            raise InvalidInputError("image_features needs a detector that was fitted on images with a backbone.")
        x = self.check_input(X).x
        rows = encoder.encode(x)
        return np.asarray(rows.reshape(len(x), -1, rows.shape[1]).mean(axis=1), dtype=np.float64)

    def check_input(self, X: Any, *, fitting: bool = False, column_types: Any = None) -> Data:
        """Convert X to checked numbers, see `InputMixin.check_input`; with a backbone it must hold images."""
        data = super().check_input(X, fitting=fitting, column_types=column_types)
        if fitting:
            self.any_size_ = is_ragged(data.x)
            if self.backbone is not None and self.kind_ == "rows":
                raise InvalidInputError(
                    f"A backbone describes images, got rows with {data.x.shape[1]} columns. Leave backbone out."
                )
        return data

    def _new_encoder(self, settings: Any) -> Encoder:
        if self.backbone is None:
            return super()._new_encoder(settings)
        backbone = load_backbone(self.backbone)
        config = FeatureSettings.of(self.feature_config)
        is_global = self.features == "global"
        layers = (backbone.global_layer,) if is_global else config.layers or backbone.default_layers
        return self._feature_encoder(backbone.truncated(layers), settings)

    def _feature_encoder(self, backbone: Backbone, settings: Any) -> FeatureEncoder:
        """Return an encoder of features, not fitted."""
        wanted = getattr(self, "device", "auto")
        device = "cpu" if wanted != "auto" and not torch.cuda.is_available() else resolve_device(wanted)
        extractor = FeatureExtractor(backbone, self.feature_config, device)
        features: Features = "patches" if self.features == "patches" else "global"
        return FeatureEncoder(extractor, features, settings.scaling, self.seed_)

    # -- scoring -----------------------------------------------------------------------------------------------------

    @property
    def vector_encoder(self) -> FeatureEncoder | None:
        """Encoder that maps each image to a vector; None if the detector learns anything else."""
        encoder = self.encoder_
        return encoder if isinstance(encoder, FeatureEncoder) and encoder.features == "global" else None

    def score_encoded(self, rows: Array) -> Floats:
        """Return the scores (n,) of encoded rows (n, width)."""
        terms = concatenate_terms(self._map_batches(self._guarded_terms, rows))
        return np.asarray(sum(terms.values()))

    # -- storage -----------------------------------------------------------------------------------------------------

    def describe(self) -> dict[str, Any]:
        """Return parameters, settings, input, threshold and versions of the fitted detector, as JSON stores them.

        Returns
        -------
        dict of str to object
            With the backbone under "features".
        """
        described, state = super().describe(), self._feature_state()
        if state is None:
            return described
        return described | {"features": {"kind": self.features, "values": self.encoded_shape[0], **state["backbone"]}}

    def _feature_state(self) -> dict[str, Any] | None:
        encoder = self.encoder_
        if not isinstance(encoder, FeatureEncoder):
            return None
        return {"backbone": encoder.extractor.backbone.manifest(), "any_size": self.any_size_}

    def _encoder_state(self) -> State:
        state, encoder = super()._encoder_state(), self.encoder_
        if not isinstance(encoder, FeatureEncoder):
            return state
        return state | {BACKBONE + name: array for name, array in encoder.extractor.backbone.arrays().items()}

    def _check_features(self, state: CommonState) -> None:
        if (state.features is None) != (self.backbone is None):
            raise InvalidEntryError("state.features", "must be given if and only if there is a backbone")
        if state.features is not None and state.kind == "rows":
            raise InvalidEntryError("state.kind", "must be 'images' for a detector with a backbone, got 'rows'")

    def _restored_encoder(self, state: CommonState, arrays: State) -> Encoder:
        found: FeatureState | None = state.features
        if found is None:
            return super()._restored_encoder(state, arrays)
        self.any_size_, self.seed_ = found.any_size, state.seed
        backbone = restore_backbone(found.backbone, with_prefix_removed(BACKBONE, arrays) or None)
        own = {name: array for name, array in arrays.items() if not name.startswith(BACKBONE)}
        return self._feature_encoder(backbone, self.settings_.preprocessing).restore(own, self.shape_)
