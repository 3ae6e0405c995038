"""Tiled: images at full resolution, learned and scored by overlapping tiles.

A detector learns tiles of normal images. The score of an image is that of its most anomalous tile, so that a small defect in
a large image is not averaged away. The threshold comes from whole normal images, since the largest of many scores is high for
normal images, too.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from egbad.arrays import State
from egbad.backbones import Backbone
from egbad.data import MAX_IMAGE_SIDE, MIN_IMAGE_SIDE, Data
from egbad.data.ragged import is_ragged, ragged_array, sum_per_sample
from egbad.data.tiles import MAX_TILED_SIDE, TileStitcher, Tiling, cut_tile, terms_by_tile, worst_tile
from egbad.detectors.base import Array, Detector, Encoded, FitContext, Floats, Settings
from egbad.detectors.base.saved_parts import TilesState, restored_part
from egbad.detectors.blend import Blend
from egbad.detectors.methods import METHODS
from egbad.errors import InvalidEntryError, InvalidInputError, unknown
from egbad.explain.explanation import Attribution, concatenate
from egbad.model_file import validated_entries
from egbad.preprocessing.column_encoder import TableEncoder
from egbad.preprocessing.image_encoder import IdentityEncoder

_MAX_DEFAULT_SIZE = 64  # pixels

# -- settings and recipe -----------------------------------------------------------------------------------------------


class TiledSettings(Settings):
    """Settings of `Tiled`."""

    detector: str = Blend.name
    tile_size: int = Field(ge=MIN_IMAGE_SIDE, le=MAX_IMAGE_SIDE)
    overlap: float = Field(default=0.5, ge=0, lt=1)
    max_tiles: int = Field(default=20_000, ge=2)


def default(shape: tuple[int, ...]) -> dict[str, Any]:
    """Return the default values for images (c, h, w): tiles of half the shorter side; rows (d,) are not cut."""
    if len(shape) == 1:
        return {"tile_size": MIN_IMAGE_SIDE}
    return {"tile_size": min(_MAX_DEFAULT_SIZE, max(MIN_IMAGE_SIDE, min(shape[-2:]) // 2))}


def _detector_type(name: str) -> type[Detector[Any]]:
    """Return the class of the detector that learns tiles. Other methods are not imported."""
    detector_type = Blend if name == Blend.name else METHODS.get(name)
    if detector_type is None:
        raise unknown("part", name, [*METHODS, Blend.name])
    return detector_type


# -- the detector ------------------------------------------------------------------------------------------------------


@dataclass(kw_only=True, eq=False, repr=False)
class Tiled(Detector[TiledSettings]):
    """Detector of tiles, for images of more than 128 pixels a side, or for small defects in smaller ones.

    Learns from images (n, h, w) or (n, c, h, w) of any size, or from a list of images of different sizes. In the second case
    it scores images of any size that holds a tile. Tables are passed to the detector of tiles as they are.

    Parameters
    ----------
    detector : str, optional
        Name of the detector that learns tiles. Default "blend".
    detector_params : mapping of str to object, optional
        Parameters of that detector.
    tile_size : int, optional
        Height and width of a tile in pixels, 8 to 128. Default half the shorter side of the smallest image, at most 64.
    overlap : float, optional
        Least fraction of a tile that the next one covers, in [0, 1). More localises defects better and costs more.
        Default 0.5.
    max_tiles : int, optional
        Number of tiles to learn from; they are drawn at random if there are more. Default 20,000.
    recipe : str, default="default"
        Source of the values of parameters that are None. "default" is chosen for stability; there is no other.
    preprocessing : Preprocessing, optional
        `trim_fraction` drops training images. All other options are those of the detector: set them in
        `detector_params`.
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
    detector_ : Detector
        The fitted detector of tiles.
    settings_ : TiledSettings
        The values that recipe and parameters resolve to.
    threshold_ : float
        Scores above it are anomalies.
    seed_ : int
        The seed that `random_state` gave.
    health_ : list of str
        Problems in training the detector and what was done about them, one sentence each.

    Examples
    --------
    >>> import numpy as np
    >>> from egbad.detectors.tiled import Tiled
    >>> X = np.random.default_rng(0).normal(size=(40, 200, 160))
    >>> detector = Tiled(detector="pca", tile_size=32, alpha=0.2, random_state=0).fit(X)
    >>> X[0, 100:110, 20:30] += 5
    >>> detector.predict(X[:1])
    array([-1])
    >>> heat = detector.explain(X[:1]).shares[0]
    >>> bool(heat[100:110, 20:30].mean() > 3 * heat.mean())
    True
    """

    name: ClassVar[str] = "tiled"
    array_names: ClassVar = frozenset({"part"})
    settings_type: ClassVar = TiledSettings
    recipes: ClassVar = {"default": default}
    tunable_on_images: ClassVar = {"tile_size": (16, 24), "overlap": (0.25, 0.75)}
    batch_tiles: ClassVar[int] = 4096  # tiles that are scored together: bounds memory

    detector: str | None = None
    detector_params: Mapping[str, Any] | None = None
    tile_size: int | None = None
    overlap: float | None = None
    max_tiles: int | None = None

    def _new_encoder(self, settings: Any) -> IdentityEncoder:
        return IdentityEncoder()

    # -- tiles -------------------------------------------------------------------------------------------------------

    @property
    def max_side(self) -> int:
        """Largest height and width of an image in pixels."""
        return MAX_TILED_SIDE

    @property
    def any_size(self) -> bool:
        """True: images in one list may have different sizes."""
        return True

    @property
    def tiling(self) -> Tiling:
        """Tiles of an image."""
        return Tiling(self.settings_.tile_size, self.settings_.overlap, self.batch_tiles)

    def _sample_tiles(self, x: Array, rng: np.random.Generator) -> Array:
        """Return all tiles of images x (n, ...), or `max_tiles` of them drawn at random."""
        n_max = self.settings_.max_tiles
        if self.kind_ == "rows":
            return x[np.sort(rng.permutation(len(x))[:n_max])] if len(x) > n_max else x
        positions = {shape: self.tiling.positions(shape) for shape in {image.shape for image in x}}
        ends = np.cumsum([len(positions[image.shape]) for image in x])  # of each image in the list of all tiles
        n_tiles = int(ends[-1])
        chosen = np.sort(rng.permutation(n_tiles)[:n_max]) if n_tiles > n_max else np.arange(n_tiles)
        image_of = np.searchsorted(ends, chosen, side="right")
        return np.stack(
            [  # the index of a tile is negative: it counts from the end of the image's tiles
                cut_tile(x[i], positions[x[i].shape][k - ends[i]], self.settings_.tile_size)
                for i, k in zip(image_of.tolist(), chosen.tolist(), strict=True)
            ]
        )

    def _as_data(self, tiles: Array) -> Data:
        """Return tiles as input of the detector; rows with the types of their columns."""
        if self.kind_ == "images":
            return Data(tiles)
        return Data(tiles, self.columns_, column_types=self.column_types_, category_labels=self.category_labels_)

    # -- learning ----------------------------------------------------------------------------------------------------

    def _learn(self, x: Encoded, rng: np.random.Generator, context: FitContext) -> None:
        if self.kind_ == "images" and self.settings_.tile_size > min(self.shape_[-2:]):
            raise InvalidInputError(
                f"tile_size must be at most the image's shorter side, {min(self.shape_[-2:])}, "
                f"got {self.settings_.tile_size}."
            )
        self.any_size_ = is_ragged(x)
        self.detector_ = self._new_detector(int(rng.integers(2**31)))
        init_from = context.init_from.detector_ if isinstance(context.init_from, Tiled) else None
        outer = context.checkpoints
        if outer is not None and outer.newest is None and self.random_state is None:
            outer.save(0, {"seed": self.seed_}, {})  # the detector's own checkpoints hold everything else
        inner = outer.subfolder("part") if outer is not None else None
        self.detector_.fit_component(self._as_data(self._sample_tiles(x, rng)), inner, init_from, context.process_group)
        self.detector_.exemplars_ = None

    def _new_detector(self, seed: int) -> Detector[Any]:
        """Return the detector of tiles, not fitted."""
        detector = _detector_type(self.settings_.detector)()
        parameters = {"verbose": self.verbose, "random_state": seed, **(self.detector_params or {})}
        known = detector.get_params()
        for parameter in parameters:
            if parameter not in known:
                raise unknown("parameter", parameter, known)
        return detector.set_params(**parameters)

    def _check_init_from(self, init_from: Detector[Any] | None) -> None:
        if init_from is not None and not (isinstance(init_from, Tiled) and hasattr(init_from, "detector_")):
            raise InvalidInputError(f"init_from must be a fitted Tiled, got {init_from!r}.")

    def _calibration_scores(self, x: Array) -> Floats:
        """Return the scores (n,) of calibration images, each by a detector calibrated on other images.

        The two halves of the images calibrate the detector for each other. In the end all of them calibrate it.
        """
        rng = np.random.default_rng(self.seed_)
        scores, is_even = np.empty(len(x)), np.arange(len(x)) % 2 == 0
        for half in (is_even, ~is_even) if len(x) > 1 else (is_even,):
            others = ~half if len(x) > 1 else half
            self.detector_.calibrate(self._sample_tiles(x[others], rng), maps=False)
            scores[half] = self.score_checked(x[half])
        self.detector_.calibrate(self._sample_tiles(x, rng), maps=False)
        return scores

    # -- scoring -----------------------------------------------------------------------------------------------------

    @property
    def min_image_side(self) -> int | None:
        """Least side of an image in pixels, if the detector was fitted on images of different sizes."""
        return self.settings_.tile_size if self.any_size_ else None

    def _terms(self, x: Encoded) -> dict[str, Floats]:
        if self.kind_ == "rows":
            return self.detector_.terms_checked(x)
        return self.tiling.worst_terms(x, self.detector_.terms_checked)

    def attribute_checked(self, x: Array) -> Attribution:
        """Attribute the scores of checked images x (n, ...) to their pixels."""
        if self.kind_ == "rows":
            return self.detector_.attribute_checked(x)
        batches = [self._attribute_batch(images) for images in self.tiling.image_batches(x)]
        return concatenate([_as_ragged(batch) for batch in batches] if is_ragged(x) else batches)

    def _attribute_batch(self, x: Array) -> Attribution:
        """Give each pixel the mean of its shares in the tiles that cover it."""
        size = (len(x), *x.shape[-2:])
        shares, maps, expected = TileStitcher(size), TileStitcher(size), TileStitcher(x.shape)
        parts, scores_places = [], self.scores_places
        for positions in self.tiling.position_batches(x):
            part = self.detector_.attribute_checked(self.tiling.cut(x, positions))
            shares.add(part.shares, positions)
            expected.add(part.expected, positions)
            if scores_places and part.anomaly_map is not None:
                maps.add(part.anomaly_map, positions)
            parts.append(
                replace(part, shares=part.shares[:0], expected=part.expected[:0], anomaly_map=None)
            )  # frees memory
        by_tile = terms_by_tile((part.terms for part in parts), len(x))
        worst = worst_tile(by_tile)
        spreads = [part.spread.reshape(len(x), -1) for part in parts if part.spread is not None]
        terms = {name: values[worst] for name, values in by_tile.items()}
        mean_shares = shares.mean()
        return replace(
            parts[0],
            shares=mean_shares,
            base=np.asarray(sum(terms.values())) - sum_per_sample(mean_shares),
            expected=expected.mean(),
            terms=terms,
            spread=np.hstack(spreads)[worst] if spreads else None,
            comparison=None,
            anomaly_map=maps.mean() if scores_places else None,
        )

    @property
    def scores_places(self) -> bool:
        """True if the detector of tiles scores places of a tile."""
        return self.detector_.scores_places

    @property
    def lowers_border(self) -> bool:
        """False: the borders of tiles are inside an image."""
        return False

    @property
    def explains_scores(self) -> bool:
        """True if an explanation costs about as much as a score, and its terms have the bits of the score terms."""
        return self.detector_.explains_scores

    @property
    def has_cheap_maps(self) -> bool:
        """True if the map of an image costs about as much as its score."""
        return self.detector_.has_cheap_maps

    def map_checked(self, x: Array) -> Array:
        """Return the maps (n, h, w) of checked images x (n, ...), means of the maps of the tiles that cover a pixel."""
        return self._map_tiles(x, self.detector_.map_checked)

    def terms_and_maps_checked(self, x: Array) -> tuple[dict[str, Floats], Array]:
        """Return the score terms (n,) and the maps (n, h, w) of checked images x (n, ...), by one pass over the tiles."""
        terms = list[dict[str, Floats]]()

        def keep_terms(tiles: Array) -> Array:
            found, maps = self.detector_.terms_and_maps_checked(tiles)
            terms.append(found)
            return maps

        maps, remaining = self._map_tiles(x, keep_terms), iter(terms)
        return self.tiling.worst_terms(x, lambda tiles: next(remaining)), maps

    def _map_tiles(self, x: Array, function: Callable[[Array], Array]) -> Array:
        """Return the means (n, h, w) of the maps that a function computes of the tiles of images x (n, ...)."""
        batches = []
        for images in self.tiling.image_batches(x):
            maps = TileStitcher((len(images), *images.shape[-2:]))
            for positions in self.tiling.position_batches(images):
                maps.add(function(self.tiling.cut(images, positions)), positions)
            batches.append(maps.mean())
        return ragged_array([one for maps in batches for one in maps]) if is_ragged(x) else np.concatenate(batches)

    @property
    def table_encoder(self) -> TableEncoder | None:
        """Encoder of the columns of a table."""
        return self.detector_.table_encoder

    # -- description and storage -------------------------------------------------------------------------------------

    @property
    def health_(self) -> list[str]:
        """Problems in training the detector of tiles, one sentence each."""
        return [*getattr(self.detector_, "health_", ())]

    @property
    def backbones(self) -> list[Backbone]:
        """Backbones of the detector of tiles."""
        return self.detector_.backbones

    def describe(self) -> dict[str, Any]:
        """Return what `Detector.describe` returns, with the number of tiles and the description of the detector.

        Returns
        -------
        dict of str to object
        """
        about = super().describe()
        if self.any_size_:
            about["input"] |= {"any_size_from": list(self.shape_)}
        n_tiles = 1 if self.kind_ == "rows" else None if self.any_size_ else len(self.tiling.positions(self.shape_))
        return about | {"health": self.health_, "patches": n_tiles, "part": self.detector_.describe()}

    def _state(self) -> tuple[dict[str, Any], State]:
        manifest, arrays = self.detector_.content()
        state = {"part": manifest.model_dump(), "any_size": self.any_size_}
        return state, {f"part.{name}": array for name, array in arrays.items()}

    def _restore(self, state: dict[str, Any], arrays: State) -> None:
        found = validated_entries(TilesState, state, "state.method")
        self.any_size_ = found.any_size
        tile = self.shape_
        if self.kind_ == "images":
            size = self.settings_.tile_size
            if size > min(self.shape_[-2:]):
                raise InvalidEntryError("state.settings.tile_size", f"must fit images of {self.shape_}, got {size}")
            tile = (*self.shape_[:-2], size, size)
        self.detector_ = restored_part(self, {**METHODS, Blend.name: Blend}, found.part, arrays, "part.", tile)
        self.detector_.exemplars_ = None


def _as_ragged(batch: Attribution) -> Attribution:
    """Return the attribution of images of one size as that of images of different sizes."""
    names = ("shares", "expected", "anomaly_map")
    arrays: dict[str, Any] = {n: ragged_array([*values]) for n in names if (values := getattr(batch, n)) is not None}
    return replace(batch, **arrays)
