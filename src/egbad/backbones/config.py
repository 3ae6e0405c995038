"""Options of the features of images by a backbone."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import Field, field_validator

from egbad.errors import InvalidInputError
from egbad.preprocessing.settings_group import SettingsGroup, validated
from egbad.preprocessing.sklearn_base import BaseEstimator

SIZE_MULTIPLE = 32  # pixels; the largest stride of the usual backbones
MIN_SIDE, MAX_SIDE = 320, 640  # of a square with as many pixels as an image has by default


@dataclass(kw_only=True, repr=False)
class FeatureConfig(BaseEstimator):
    """Preparation of images for a backbone, and description of their patches.

    Options that are None take the value of the detector's recipe, or the default.

    Parameters
    ----------
    layers : sequence of str, optional
        Layers that describe patches. Shallow ones see fine texture, deep ones see shapes. By default those of the backbone.
    image_size : int, optional
        Side of a square with as many pixels as an image has for the backbone, 32 to 2,048. Small defects need more pixels,
        whose cost grows with the square. By default the side of the training images' median size, at least 320 and at most 640.
    keep_aspect : bool, optional
        Keep the median aspect ratio of the training images; otherwise images become squares. By default if at least three
        quarters of the training images have nearly one aspect ratio.
    match_brightness : bool, optional
        Multiply each image by the training images' median brightness over its own, at least by 0.5 and at most by 2, so that
        the exposure does not count. Turn it off where brightness is a sign of a defect. Default True.
    pooling : int, optional
        Side of the neighbourhood of places that are averaged, odd. More blurs fine defects and noise alike. Default 3.
    whitening : bool, optional
        Give all directions of the features of training patches the same variance, so that rare directions count. Default True.
    shrinkage : float, optional
        Part of the mean variance that is added to each direction before whitening, above 0 and at most 1. More trusts rare
        directions less. Default 0.1.
    length : {"soft", "unit", "none"}, optional
        Scaling of each patch. "soft" divides by ``sqrt(|x|^2 + d)``, which compresses large deviations; "unit" leaves only the
        direction, so that distances are those of cosines; "none" leaves Euclidean distances. Default "soft".
    global_size : int, optional
        As `image_size`, for the vector that describes a whole image. Default 320.
    max_patches : int, optional
        Number of random training patches that whitening and detectors learn from: bounds memory to 4 bytes for each of their
        values. Default 40,000.
    engine : {"auto", "torch", "onnxruntime"}, optional
        Computes the backbone, see `egbad.backbones.resolve_engine`. Default "auto".

    Examples
    --------
    >>> from egbad.backbones.config import FeatureConfig
    >>> FeatureConfig(image_size=448).set_params(length="unit").get_params()["length"]
    'unit'
    """

    layers: Sequence[str] | None = None
    image_size: int | None = None
    keep_aspect: bool | None = None
    match_brightness: bool | None = None
    pooling: int | None = None
    whitening: bool | None = None
    shrinkage: float | None = None
    length: str | None = None
    global_size: int | None = None
    max_patches: int | None = None
    engine: str | None = None


class FeatureSettings(SettingsGroup):
    """Values of `FeatureConfig`."""

    layers: tuple[str, ...] | None = None
    image_size: int | None = Field(default=None, ge=SIZE_MULTIPLE, le=2048)
    keep_aspect: bool | None = None
    match_brightness: bool = True
    pooling: int = Field(default=3, ge=1, le=31)
    whitening: bool = True
    shrinkage: float = Field(default=0.1, gt=0, le=1)
    length: Literal["soft", "unit", "none"] = "soft"
    global_size: int = Field(default=320, ge=SIZE_MULTIPLE, le=2048)
    max_patches: int = Field(default=40_000, ge=2)
    engine: Literal["auto", "torch", "onnxruntime"] = "auto"

    @field_validator("pooling")
    @classmethod
    def _require_odd(cls, pooling: int) -> int:
        if pooling % 2 == 0:
            raise ValueError("must be odd")
        return pooling

    @classmethod
    def of(cls, config: "FeatureConfig | FeatureSettings | None") -> "FeatureSettings":
        """Return the values that options resolve to.

        Parameters
        ----------
        config : FeatureConfig, FeatureSettings or None

        Returns
        -------
        FeatureSettings

        Raises
        ------
        InvalidInputError
            If an option is out of its range, or `config` is something else.
        """
        if isinstance(config, FeatureSettings):
            return config
        if not isinstance(config, FeatureConfig | None):
            raise InvalidInputError(f"feature_config must be a FeatureConfig or None, got {config!r}.")
        given = {} if config is None else config.get_params(deep=False)
        return validated(cls, {name: value for name, value in given.items() if value is not None})
