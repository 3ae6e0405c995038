"""PatchCore: distance to a memory of normal patches, described by a frozen backbone (Roth et al., 2022, arXiv:2106.08265).

Patches are places of feature maps of several layers, averaged over 3 x 3 neighbours. A greedy k-center coreset of the training
patches is the memory M. The score of a patch x is d(x) = min |x - m| over m in M.

With ``recipe="paper"`` images are squeezed to 224 x 224, M holds a tenth of the patches, and the score of an image is its
highest d, times the paper's weight. Departures there: layers are concatenated without a second pooling of channels, and at most
200,000 random patches are kept before the choice.

The default recipe departs further, for photographs of parts that differ in exposure, size and texture: brightness is matched, a
common aspect ratio is kept, sqrt(height * width) stays native between 320 and 640 pixels, patches are whitened and have soft
lengths, M has a fixed size, and the score of an image is the mean of its highest 1 percent of d, without a border of 5 percent.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from egbad.arrays import Array, ArraySpec, Floats, State, check_arrays
from egbad.backbones import Backbone, FeatureConfig, FeatureExtractor, load_backbone, restore_backbone
from egbad.backbones.config import FeatureSettings
from egbad.backbones.image_input import Size
from egbad.backbones.patches import BORDER, SMOOTHING, TOP_SHARE, patches_inside
from egbad.data import MIN_IMAGE_SIDE, Data
from egbad.data.ragged import is_ragged
from egbad.data.tiles import MAX_TILED_SIDE
from egbad.detectors.base import Detector, Encoded, FitContext, Settings
from egbad.detectors.base.feature_encoder import enlarge_to
from egbad.errors import InvalidInputError
from egbad.explain.exemplars import nearest_images
from egbad.explain.explanation import Attribution
from egbad.model_file import entries_within, validated_entries, with_prefix_removed
from egbad.nn.coreset import NearestMemory, greedy_k_center
from egbad.nn.precision import resolve_device
from egbad.preprocessing.image_encoder import IdentityEncoder
from egbad.scoring.order_drift import OrderDrift, image_means, measure_order_drift

_BACKBONE, _FEATURES, _MEMORY = "backbone.", "features.", "memory."
WEIGHTED_NEIGHBOURS = 9  # members of the memory that the paper's weight looks at
_MAX_FEATURE = 1e30

# -- formulas ----------------------------------------------------------------------------------------------------------


def neighbour_weight(patch: Tensor, distance: float, neighbours: Tensor) -> float:
    """Return the paper's weight of an image's score: ``1 - exp(d) / sum(exp(|x - m|))``.

    Small where the nearest member of the memory lies among others, large where it is itself unusual.

    Parameters
    ----------
    patch : Tensor of shape (d,)
        The patch x with the highest score.
    distance : float
        Its score d.
    neighbours : Tensor of shape (b, d)
        The members m nearest to the member that is nearest to x, itself included.

    Returns
    -------
    float
        In [0, 1).

    Examples
    --------
    >>> neighbour_weight(torch.zeros(1), 1.0, torch.tensor([[1.0], [-1.0]]))
    0.5
    """
    distances = torch.linalg.vector_norm(neighbours - patch, dim=1).double()
    return 1 - 1 / float(torch.exp(distances - distance).sum())


# -- settings and recipes ----------------------------------------------------------------------------------------------


class PatchCoreSettings(Settings):
    """Settings of `PatchCore`."""

    feature_config: FeatureSettings = FeatureSettings()
    memory_size: int = Field(default=4000, ge=1)
    memory_fraction: float | None = Field(default=None, gt=0, le=1)
    n_projected: int = Field(default=48, ge=1)
    top_share: float = Field(default=TOP_SHARE, ge=0, le=1)
    border: float = Field(default=BORDER, ge=0, lt=0.5)
    reweighting: bool = False
    smoothing: float = Field(default=SMOOTHING, ge=0, le=0.5)
    lower_border: bool = True

    def n_members(self, n_patches: int) -> int:
        """Return the size of the memory that is chosen from a number of patches."""
        wanted = self.memory_size if self.memory_fraction is None else ceil(self.memory_fraction * n_patches)
        return min(wanted, n_patches)


def paper(shape: tuple[int, ...]) -> dict[str, Any]:
    """Return the values of the paper."""
    features = {"image_size": 224, "keep_aspect": False, "match_brightness": False, "whitening": False}
    return {
        "feature_config": {**features, "length": "none", "max_patches": 200_000},
        "memory_fraction": 0.1,
        "n_projected": 128,
        "top_share": 0.0,
        "border": 0.0,
        "reweighting": True,
        "smoothing": 4 / 224,
        "lower_border": False,
    }


class PatchCoreState(BaseModel):
    """The backbone, by name and digest."""

    model_config = ConfigDict(strict=True, extra="forbid")

    backbone: dict[str, Any]  # `restore_backbone` checks it


# -- the detector ------------------------------------------------------------------------------------------------------


@dataclass(kw_only=True, eq=False, repr=False)
class PatchCore(Detector[PatchCoreSettings]):
    """Distance of the patches of images to a memory of normal patches, for photographs.

    Takes images of any size, grey or RGB, as an array or as a list. All are resized to one size. Learning holds
    `feature_config.max_patches` patches in memory, however many images there are.

    Parameters
    ----------
    backbone : str or torch.nn.Module, default="efficientnet_lite0"
        Frozen network that describes patches, see `egbad.backbones.load_backbone`.
    feature_config : FeatureConfig, optional
        Size and brightness of images, layers, whitening and lengths of patches.
    memory_size : int, optional
        Number of normal patches in the memory. More find finer differences, and cost time. Default 4,000.
    memory_fraction : float, optional
        The same as a fraction of the training patches, in (0, 1], in place of `memory_size`.
    n_projected : int, optional
        Values that patches are projected to while the memory is chosen. Default 48.
    top_share : float, optional
        The score of an image is the mean of this share of its patches, the highest, in [0, 1]. 0 takes the highest one.
        Default 0.01.
    border : float, optional
        Share of height and width that the score leaves out at each side, in [0, 0.5). The map keeps it. Default 0.05.
    reweighting : bool, optional
        Multiply the score by the paper's weight, which is small near crowded parts of the memory. Default False.
    smoothing : float, optional
        Standard deviation of the Gaussian that smooths anomaly maps, as a fraction of the width. Default 0.015.
    lower_border : bool, optional
        Lower anomaly maps near the border, where zero padding makes normal patches look unusual, to the level that held-out
        normal images have inside. Default True.
    device : str, default="auto"
        Device of the backbone: "cpu", "cuda", or "auto" for the GPU where there is one.
    recipe : str, default="default"
        Source of the values of parameters that are None. "paper" is PatchCore as published.
    preprocessing : Preprocessing, optional
        `trim_fraction` drops training images. All other options are for tables.
    alpha : float, default=0.01
        False-alarm rate of `predict`, in (0, 1).
    calibration_fraction : float, default=0.1
        Fraction of the images that `fit` holds out of training to set the threshold, in (0, 1).
    n_exemplars : int, default=256
        Number of training images or calibration rows of tables that the model keeps, for reports and drift. 0 keeps none.
    random_state : int, RandomState, Generator or None, default=None
        Seed of all random numbers. None draws a seed, which `seed_` holds.
    verbose : bool, default=False
        Show a progress bar on a terminal and in a notebook, or lines on stderr.

    Attributes
    ----------
    extractor_ : FeatureExtractor
        Describes the patches of images.
    memory_ : NearestMemory
        The memory of normal patches.
    settings_ : PatchCoreSettings
        The values that recipe and parameters resolve to.
    threshold_ : float
        Scores above it are anomalies.
    seed_ : int
        The seed that `random_state` gave.

    References
    ----------
    Roth, Pemula, Zepeda, Schoelkopf, Brox, Gehler, "Towards Total Recall in Industrial Anomaly Detection", CVPR 2022.

    Examples
    --------
    >>> import numpy as np
    >>> from egbad.detectors import PatchCore
    >>> X = np.random.default_rng(0).integers(100, 110, (40, 64, 64), dtype=np.uint8)
    >>> detector = PatchCore(feature_config=FeatureConfig(image_size=64), alpha=0.2, random_state=0).fit(X)
    >>> scratched = X[:1].copy()
    >>> scratched[0, 30:32] = 255
    >>> detector.predict(scratched)
    array([-1])
    """

    name: ClassVar[str] = "patchcore"
    learns_rows: ClassVar = False
    array_names: ClassVar = frozenset({"backbone", "features", "memory"})
    settings_type: ClassVar = PatchCoreSettings
    parameter_groups: ClassVar = {**Detector.parameter_groups, "feature_config": FeatureConfig}
    recipes: ClassVar = {"default": lambda shape: {}, "paper": paper}
    tunable_on_rows: ClassVar = {}
    tunable_on_images: ClassVar = {"feature_config__image_size": (320, 640), "memory_size": (500, 8000)}

    backbone: Any = "efficientnet_lite0"
    feature_config: FeatureConfig | None = None
    memory_size: int | None = None
    memory_fraction: float | None = None
    n_projected: int | None = None
    top_share: float | None = None
    border: float | None = None
    reweighting: bool | None = None
    smoothing: float | None = None
    lower_border: bool | None = None
    device: str = "auto"

    # -- input -------------------------------------------------------------------------------------------------------

    @property
    def max_side(self) -> int:
        """Largest height and width of an image in pixels."""
        return MAX_TILED_SIDE

    @property
    def any_size(self) -> bool:
        """True: images in one list may have different sizes."""
        return True

    @property
    def min_image_side(self) -> int | None:
        """Least side of an image in pixels."""
        return MIN_IMAGE_SIDE

    @property
    def streams_images(self) -> bool:
        """True: images of files are decoded when they are needed."""
        return True

    @property
    def scores_places(self) -> bool:
        """True: a map holds the scores of patches."""
        return True

    def check_input(self, X: Any, *, fitting: bool = False, column_types: Any = None) -> Data:
        """Convert X to checked images, see `InputMixin.check_input`."""
        data = super().check_input(X, fitting=fitting, column_types=column_types)
        if fitting and self.kind_ == "rows":
            raise InvalidInputError(
                f"PatchCore learns images, got a table with {data.x.shape[1]} columns. Use another detector, such as 'blend'."
            )
        return data

    def _new_encoder(self, settings: Any) -> IdentityEncoder:
        return IdentityEncoder()

    @property
    def lowers_border(self) -> bool:
        """True if maps are lowered near the border."""
        return self.settings_.lower_border

    # -- learning and scoring ----------------------------------------------------------------------------------------

    def _learn(self, x: Encoded, rng: np.random.Generator, context: FitContext) -> None:
        settings, backbone = self.settings_, load_backbone(self.backbone)
        backbone = backbone.truncated(settings.feature_config.layers or backbone.default_layers)
        self.extractor_ = FeatureExtractor(backbone, settings.feature_config, resolve_device(self.device))
        patches, image_of = self.extractor_.fit_sample(x, rng)
        self._order_drift = measure_order_drift(image_means(patches, image_of), self.alpha)
        members = greedy_k_center(patches, settings.n_members(len(patches)), rng, settings.n_projected)
        self.memory_ = NearestMemory(patches[members])

    @property
    def order_drift(self) -> OrderDrift | None:
        """Dependence of the training images of `fit` on their order; None for few images."""
        return self._order_drift

    def _highest(self, patches: Tensor, grid: Size) -> tuple[NDArray[np.intp], Floats]:
        """Return the places in the grid and the scores of those patches (height * width, d) whose mean is the score."""
        places, k = patches_inside(*grid, self.settings_.top_share, self.settings_.border)
        inside = torch.from_numpy(places)
        distances, rows, members = self.memory_.farthest(patches[inside], k)
        found = inside[rows]
        weight = 1.0
        if self.settings_.reweighting:
            neighbours = self.memory_.neighbours(int(members[0]), WEIGHTED_NEIGHBOURS)
            weight = neighbour_weight(patches[found[0]], float(distances[0]), neighbours)
        return found.numpy(), weight * distances.double().numpy()

    def score_patches(self, patches: Tensor, grid: Size) -> float:
        """Return the score of an image, given the descriptions (height * width, d) of its patches."""
        return float(self._highest(patches, grid)[1].mean())

    def _patch_distances(self, patches: Tensor, grid: Size) -> Floats:
        """Return the distances (height, width) of all patches of an image."""
        return np.asarray(self.memory_.nearest(patches)[0].double().numpy().reshape(grid))

    def _terms(self, x: Encoded) -> dict[str, Floats]:
        return {"patches": np.array(self.extractor_.map_patches(self.score_patches, x))}

    def terms_and_maps_checked(self, x: Array) -> tuple[dict[str, Floats], Array]:
        """Return the score terms (n,) and the maps (n, h, w) of checked images x (n, ...), by one pass of the backbone."""
        found = self.extractor_.map_patches(
            lambda *image: (self.score_patches(*image), self._patch_distances(*image)), x
        )
        scores, grids = zip(*found, strict=True)
        return {"patches": np.array(scores)}, self._maps(grids, x)

    def map_checked(self, x: Array) -> Array:
        """Return the smoothed patch scores of checked images x (n, ...) at their pixels (n, h, w)."""
        return self._maps(self.extractor_.map_patches(self._patch_distances, x), x)

    def _maps(self, grids: Sequence[Floats], x: Array) -> Array:
        """Return the smoothed distances (height, width) of the patches of images x (n, ...) at their pixels (n, h, w)."""
        return self._maps_of_places(grids, x, self.extractor_.input.size, self.settings_.smoothing)

    def attribute_checked(self, x: Array) -> Attribution:
        """Attribute the scores of checked images x (n, ...) to the pixels of the patches whose mean they are."""

        def share(patches: Tensor, grid: Size) -> tuple[Floats, Floats, float]:
            (places, scores), shares = self._highest(patches, grid), np.zeros(grid)
            shares.ravel()[places] = scores / len(scores)
            return shares, self._patch_distances(patches, grid), float(scores.mean())

        grids, distances, scores = zip(*self.extractor_.map_patches(share, x), strict=True)
        expected = x
        if self.exemplars_ is not None and not is_ragged(x) and x.shape[1:] == self.exemplars_.shape[1:]:
            expected = nearest_images(x, self.exemplars_, 1)[:, 0]
        return Attribution(
            shares=enlarge_to(np.stack(grids), x),
            base=np.zeros(len(x)),
            expected=expected,
            method="exact",
            terms={"patches": np.array(scores)},
            anomaly_map=self._maps(distances, x),
        )

    # -- description and storage -------------------------------------------------------------------------------------

    def describe(self) -> dict[str, Any]:
        """Return what `Detector.describe` returns, with the backbone, the size of its images and of the memory.

        Returns
        -------
        dict of str to object
        """
        return super().describe() | {
            "backbone": self.extractor_.backbone.manifest(),
            "backbone_image_size": list(self.extractor_.input.size),
            "memory": list(self.memory_.memory.shape),
        }

    @property
    def backbones(self) -> list[Backbone]:
        """The backbone, in a list."""
        return [self.extractor_.backbone]

    def _state(self) -> tuple[dict[str, Any], State]:
        arrays = {_BACKBONE + name: array for name, array in self.extractor_.backbone.arrays().items()}
        arrays |= {_FEATURES + name: array for name, array in self.extractor_.state().items()}
        arrays[_MEMORY + "patches"] = self.memory_.memory.numpy()
        return {"backbone": self.extractor_.backbone.manifest()}, arrays

    def _restore(self, state: dict[str, Any], arrays: State) -> None:
        found = validated_entries(PatchCoreState, state, "state.method")
        backbone = restore_backbone(found.backbone, with_prefix_removed(_BACKBONE, arrays) or None)
        device = resolve_device(self.device) if torch.cuda.is_available() else "cpu"
        self.extractor_ = FeatureExtractor(backbone, self.settings_.feature_config, device)
        with entries_within(_FEATURES):
            self.extractor_.restore(with_prefix_removed(_FEATURES, arrays))
        memory = with_prefix_removed(_MEMORY, arrays)
        d = self.extractor_.width("patches")
        with entries_within(_MEMORY):
            spec = ArraySpec("float32", ("n_members", d), low=-_MAX_FEATURE, high=_MAX_FEATURE)
            check_arrays(memory, {"patches": spec})
        self.memory_ = NearestMemory(memory["patches"])
