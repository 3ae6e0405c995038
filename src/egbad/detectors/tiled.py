"""Tiled: images at their full resolution, learned and scored by overlapping patches.

A detector learns from patches of normal images. An image's score is that of its worst patch, so that what is small in a large
image is not lost in it, and its threshold is set by whole normal images: with more patches one of them is sooner strange.
"""

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from egbad import model_file
from egbad.data import MAX_IMAGE_SIDE, MIN_IMAGE_SIDE, Data
from egbad.data.ragged import describe_shape, is_ragged, ragged_array, sample_shape, sum_per_sample
from egbad.detectors.base import Array, Detector, Encoded, FitContext, Floats, Settings
from egbad.detectors.blend import Blend
from egbad.detectors.methods import METHODS
from egbad.errors import CalibrationWarning, InvalidInputError, unknown
from egbad.explain.explanation import Attribution, concatenate
from egbad.preprocessing.column_encoder import TableEncoder
from egbad.preprocessing.image_encoder import IdentityEncoder

_AT_ONCE = 4096  # patches that are scored together: bounds memory


def _kind(name: str) -> type[Detector[Any]]:
    """The detector that learns patches, by name; the others are not imported."""
    found = Blend if name == Blend.name else METHODS.get(name)
    if found is None:
        raise unknown("part", name, [*METHODS, Blend.name])
    return found


class TiledSettings(Settings):
    """Every value decided."""

    detector: str = Blend.name
    tile_size: int = Field(ge=MIN_IMAGE_SIDE, le=MAX_IMAGE_SIDE)
    overlap: float = Field(default=0.5, ge=0, lt=1)
    max_tiles: int = Field(default=20_000, ge=2)


def default(shape: tuple[int, ...]) -> dict[str, Any]:
    """Patches half as high as the image, or as wide where that is less, within what detectors take."""
    return {"tile_size": min(64, max(MIN_IMAGE_SIDE, min(shape[-2:]) // 2)) if len(shape) > 1 else MIN_IMAGE_SIDE}


def tile_starts(side: int, size: int, overlap: float) -> NDArray[np.int64]:
    """Where patches of `size` pixels begin along a side: evenly, overlapping by at least that share, from edge to edge.

    >>> tile_starts(100, 40, 0.5)
    array([ 0, 20, 40, 60])
    """
    step = max(1, int((1 - overlap) * size))
    return np.round(np.linspace(0, side - size, -(-(side - size) // step) + 1)).astype(np.int64)


class ImageStitcher:
    """Images (n, ..., h, w), put together of patches: the mean where these overlap."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.sums, self.times = np.zeros(shape), np.zeros(shape[-2:])

    def add(self, patches: Array, places: Sequence[tuple[int, int]]) -> None:
        """Patches (n P, ..., size, size), image by image, that begin at these places."""
        by_image = patches.reshape(len(self.sums), len(places), *patches.shape[1:])
        for k, (i, j) in enumerate(places):
            own = (..., slice(i, i + patches.shape[-2]), slice(j, j + patches.shape[-1]))
            self.sums[own] += by_image[:, k]
            self.times[own] += 1

    def mean(self) -> Floats:
        """The images."""
        return np.asarray(self.sums / self.times)


@dataclass(kw_only=True, eq=False, repr=False)
class Tiled(Detector[TiledSettings]):
    """A detector of patches, for images of more than 128 pixels a side, or for what is small in smaller ones.

    Learns from images (n, h, w) or (n, c, h, w) of any size, or from a list of images of different sizes: then it scores images
    of any size that a patch fits into. What isn't an image is given to the detector of patches as it is.

    Parameters
    ----------
    detector : str, optional
        The name of the detector that learns patches. Default "blend".
    detector_params : mapping, optional
        Its parameters, by name.
    tile_size : int, optional
        Pixels of a patch, high and wide, 8 to 128. Default half the shorter side of the smallest image, at most 64.
    overlap : float, optional
        Share of a patch that the next one covers at least, in [0, 1). More finds better where something is, and costs more.
    max_tiles : int, optional
        Patches that are learned from, drawn by chance where there are more.

    Attributes
    ----------
    detector_ : Detector
        The fitted detector of patches.

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
    settings_type: ClassVar = TiledSettings
    recipes: ClassVar = {"default": default}
    tunable_on_images: ClassVar = {"tile_size": (16, 24), "overlap": (0.25, 0.75)}
    max_side: ClassVar[int] = 2**15
    any_size: ClassVar[bool] = True

    detector: str | None = None
    detector_params: Mapping[str, Any] | None = None
    tile_size: int | None = None
    overlap: float | None = None
    max_tiles: int | None = None

    def _new_encoder(self, settings: Any) -> IdentityEncoder:
        return IdentityEncoder()

    # -- patches -----------------------------------------------------------------------------------------------------

    def _places(self, shape: tuple[int, ...]) -> list[tuple[int, int]]:
        """Where patches of an image of this shape begin: (row, column) of each. A row (d,) is one patch."""
        if self.kind_ == "rows":
            return [(0, 0)]
        s, (h, w) = self.settings_, shape[-2:]
        return [
            (int(i), int(j))
            for i in tile_starts(h, s.tile_size, s.overlap)
            for j in tile_starts(w, s.tile_size, s.overlap)
        ]

    def _cut(self, image: Array, place: tuple[int, int]) -> Array:
        """The patch (..., size, size) of images (..., h, w) that begins at a place."""
        size, (i, j) = self.settings_.tile_size, place
        return image if self.kind_ == "rows" else image[..., i : i + size, j : j + size]

    def _patches(self, x: Array, places: Sequence[tuple[int, int]]) -> Array:
        """Patches (n P, ...) of images x (n, ...) of one size, image by image."""
        cut = [self._cut(x, place) for place in places]
        return np.stack(cut, axis=1).reshape(-1, *cut[0].shape[1:])

    def _few(self, x: Array) -> Iterator[Array]:
        """Images x (n, ...) in stacks of one size, in their order, that have not too many patches."""
        start = 0
        while start < len(x):
            shape = x[start].shape
            stop = start + max(1, _AT_ONCE // len(self._places(shape)))
            few = x[start:stop]
            if is_ragged(x):
                same = next((i for i, image in enumerate(few) if image.shape != shape), len(few))
                few = np.stack([*few[:same]])
            yield few
            start += len(few)

    def _parts_of(self, few: Array) -> Iterator[list[tuple[int, int]]]:
        """The places of patches of a stack, as many at once as can be scored together."""
        places, most = self._places(few.shape[1:]), max(1, _AT_ONCE // len(few))
        return (places[start : start + most] for start in range(0, len(places), most))

    def _as_data(self, patches: Array) -> Data:
        return (
            Data(patches, self.columns_, column_types=self.column_types_, category_labels=self.category_labels_)
            if self.kind_ == "rows"
            else Data(patches)
        )

    def _some(self, x: Array, rng: np.random.Generator) -> Array:
        """As many patches of images x (n, ...) as are learned from."""
        most = self.settings_.max_tiles
        places = {shape: self._places(shape) for shape in {image.shape for image in x}}
        ends = np.cumsum([len(places[image.shape]) for image in x])
        total = int(ends[-1])
        chosen = np.sort(rng.permutation(total)[:most]) if total > most else np.arange(total)
        whose = np.searchsorted(ends, chosen, side="right")
        return np.stack(
            [
                self._cut(x[i], places[x[i].shape][k - ends[i]])  # counted from the end of the image's own
                for i, k in zip(whose.tolist(), chosen.tolist(), strict=True)
            ]
        )

    # -- learning ----------------------------------------------------------------------------------------------------

    def _learn(self, x: Encoded, rng: np.random.Generator, context: FitContext) -> None:
        if self.kind_ == "images" and self.settings_.tile_size > min(self.shape_[-2:]):
            raise InvalidInputError(
                f"tile_size must be at most the image's shorter side, {min(self.shape_[-2:])}, "
                f"got {self.settings_.tile_size}."
            )
        self.any_size_ = is_ragged(x)
        self.detector_ = self._fresh(int(rng.integers(2**31)))
        earlier = context.init_from.detector_ if isinstance(context.init_from, Tiled) else None
        inner = context.checkpoints.subfolder("part") if context.checkpoints is not None else None
        if context.checkpoints is not None and context.checkpoints.newest is None and self.random_state is None:
            # All else that a killed fit needs is in the part's own.
            context.checkpoints.save(0, {"seed": self.seed_}, {})
        self.detector_.fit_component(self._as_data(self._some(x, rng)), inner, earlier, context.process_group)
        self.detector_.exemplars_ = None

    def _fresh(self, seed: int) -> Detector[Any]:
        """The detector of patches, not fitted."""
        kind = _kind(self.settings_.detector)
        options = {"verbose": self.verbose, "random_state": seed, **(self.detector_params or {})}
        known = kind().get_params()
        for option in options:
            if option not in known:
                raise unknown("parameter", option, known)
        return kind().set_params(**options)

    def _check_init_from(self, init_from: Detector[Any] | None) -> None:
        if init_from is not None and not (isinstance(init_from, Tiled) and hasattr(init_from, "detector_")):
            raise InvalidInputError(f"init_from must be a fitted Tiled, got {init_from!r}.")

    def _calibration_scores(self, x: Array) -> Floats:
        """What a part puts on a scale by normal patches must not be put there by the image's own: half by half, then by all."""
        rng = np.random.default_rng(self.seed_)
        found, half = np.empty(len(x)), np.arange(len(x)) % 2 == 0
        for own in (half, ~half) if len(x) > 1 else (half,):
            others = ~own if len(x) > 1 else own
            self._calibrate_part(self._some(x[others], rng))
            found[own] = self.score_checked(x[own])
        self._calibrate_part(self._some(x, rng))
        return found

    def _calibrate_part(self, patches: Array) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CalibrationWarning)  # nobody asks for a patch's threshold
            self.detector_.calibrate(patches)

    # -- scoring -----------------------------------------------------------------------------------------------------

    @property
    def min_image_side(self) -> int | None:
        """Pixels of a side of the patches, where images of different sizes were learned."""
        return self.settings_.tile_size if self.any_size_ else None

    def _check_shape(self, x: Array, name: str) -> None:
        least = self.min_image_side
        if least is None:
            super()._check_shape(x, name)
            return
        found = sample_shape(x)
        if len(found) != len(self.shape_) or found[:-2] != self.shape_[:-2] or min(found[-2:]) < least:
            channels = f"with {self.shape_[0]} channels" if len(self.shape_) == 3 else "without channels"
            raise InvalidInputError(
                f"{name} takes images {channels}, at least {least} pixels on each side, got {describe_shape(x)}."
            )

    def _terms(self, x: Encoded) -> dict[str, Floats]:
        found = []
        for few in self._few(x):
            parts = (self.detector_.terms_checked(self._patches(few, places)) for places in self._parts_of(few))
            by_patch = self._by_patch(parts, len(few))
            worst = self._worst(by_patch)
            found.append({name: values[worst] for name, values in by_patch.items()})
        return {name: np.concatenate([own[name] for own in found]) for name in found[0]}

    def _by_patch(self, parts: Iterable[Mapping[str, Floats]], n: int) -> dict[str, Floats]:
        """Terms of n images' patches, given part by part -> (n, P)."""
        whole = [{name: values.reshape(n, -1) for name, values in part.items()} for part in parts]
        return {name: np.hstack([part[name] for part in whole]) for name in whole[0]}

    def _worst(self, by_patch: Mapping[str, Floats]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Where in (n, P) each image's worst patch is."""
        score = np.asarray(sum(by_patch.values()))
        return np.arange(len(score)), score.argmax(axis=1)

    def attribute_checked(self, x: Array) -> Attribution:
        parts = [self._attribute_few(few) for few in self._few(x)]
        if is_ragged(x):
            parts = [replace(p, shares=ragged_array([*p.shares]), expected=ragged_array([*p.expected])) for p in parts]
        return concatenate(parts)

    def _attribute_few(self, x: Array) -> Attribution:
        """Every pixel's share is the mean of those that it has in the patches which cover it."""
        if self.kind_ == "rows":
            return self.detector_.attribute_checked(x)
        shares, expected = ImageStitcher((len(x), *x.shape[-2:])), ImageStitcher(x.shape)
        found = []
        for places in self._parts_of(x):
            parts = self.detector_.attribute_checked(self._patches(x, places))
            shares.add(parts.shares, places)
            expected.add(parts.expected, places)
            found.append(replace(parts, shares=parts.shares[:0], expected=parts.expected[:0]))  # they take memory
        by_patch = self._by_patch((parts.terms for parts in found), len(x))
        worst = self._worst(by_patch)
        spreads = [parts.spread.reshape(len(x), -1) for parts in found if parts.spread is not None]
        terms = {name: values[worst] for name, values in by_patch.items()}
        stitched = shares.mean()
        return replace(
            found[0],
            shares=stitched,
            base=np.asarray(sum(terms.values())) - sum_per_sample(stitched),
            expected=expected.mean(),
            terms=terms,
            spread=np.hstack(spreads)[worst] if spreads else None,
            comparison=None,
        )

    @property
    def table_encoder(self) -> TableEncoder | None:
        """Encoder of the columns of a table."""
        return self.detector_.table_encoder

    @property
    def health_(self) -> list[str]:
        """What went wrong in training the detector of patches."""
        return [*getattr(self.detector_, "health_", ())]

    def describe(self) -> dict[str, Any]:
        """What this detector is and how it came about, JSON-able."""
        about = super().describe()
        if self.any_size_:
            about["input"] |= {"any_size_from": list(self.shape_)}
        return about | {
            "health": self.health_,
            "patches": None if self.any_size_ else len(self._places(self.shape_)),
            "part": self.detector_.describe(),
        }

    def _state(self) -> tuple[dict[str, Any], model_file.Arrays]:
        manifest, arrays = self.detector_.content()
        return {"part": manifest.model_dump(), "any_size": self.any_size_}, {
            f"part.{name}": array for name, array in arrays.items()
        }

    def _restore(self, state: dict[str, Any], arrays: model_file.Arrays) -> None:
        self.any_size_ = bool(state.get("any_size"))  # a file of an earlier release doesn't say
        manifest = model_file.Manifest.model_validate(state["part"])
        self.detector_ = _kind(manifest.detector).from_file(manifest, model_file.with_prefix_removed("part.", arrays))
        self.detector_.exemplars_ = None
