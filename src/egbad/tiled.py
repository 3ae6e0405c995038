"""Tiled: images at their full resolution, learned and scored by overlapping patches.

A detector learns from patches of normal images. An image's score is that of its worst patch, so that what is small in a large
image is not lost in it, and its threshold is set by whole normal images: with more patches one of them is sooner strange.
"""

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from egbad import persistence
from egbad.base import Array, Beside, Detector, Encoded, Floats, Settings
from egbad.blend import Blend
from egbad.blocks import Blocks
from egbad.detectors import METHODS
from egbad.encoding import AsIs
from egbad.errors import CalibrationWarning, InvalidInputError, unknown
from egbad.explanation import Parts, joined
from egbad.sources import MAX_SIDE, MIN_SIDE, Data

_AT_ONCE = 4096  # patches that are scored together: bounds memory
_KNOWN: dict[str, type[Detector[Any]]] = {**METHODS, Blend.name: Blend}


class TiledSettings(Settings):
    """Every value decided."""

    part: str = Blend.name
    size: int = Field(ge=MIN_SIDE, le=MAX_SIDE)
    overlap: float = Field(default=0.5, ge=0, lt=1)
    most_patches: int = Field(default=20_000, ge=2)


def default(shape: tuple[int, ...]) -> dict[str, Any]:
    """Patches half as high as the image, or as wide where that is less, within what detectors take."""
    return {"size": min(64, max(MIN_SIDE, min(shape[-2:]) // 2)) if len(shape) > 1 else MIN_SIDE}


def starts(side: int, size: int, overlap: float) -> NDArray[np.int64]:
    """Where patches of `size` pixels begin along a side: evenly, overlapping by at least that share, from edge to edge.

    >>> starts(100, 40, 0.5)
    array([ 0, 20, 40, 60])
    """
    step = max(1, int((1 - overlap) * size))
    return np.round(np.linspace(0, side - size, -(-(side - size) // step) + 1)).astype(np.int64)


@dataclass(kw_only=True, eq=False, repr=False)
class Tiled(Detector[TiledSettings]):
    """A detector of patches, for images of more than 128 pixels a side, or for what is small in smaller ones.

    Learns from images (n, h, w) or (n, c, h, w) of any size; what isn't an image is given to the detector of patches as it is.

    Parameters
    ----------
    part : str, optional
        The name of the detector that learns patches. Default "blend".
    part_parameters : mapping, optional
        Its parameters, by name.
    size : int, optional
        Pixels of a patch, high and wide, 8 to 128. Default half the shorter side, at most 64.
    overlap : float, optional
        Share of a patch that the next one covers at least, in [0, 1). More finds better where something is, and costs more.
    most_patches : int, optional
        Patches that are learned from, drawn by chance where there are more.

    Attributes
    ----------
    part_ : Detector
        The fitted detector of patches.

    Examples
    --------
    >>> import numpy as np
    >>> from egbad.tiled import Tiled
    >>> X = np.random.default_rng(0).normal(size=(40, 200, 160))
    >>> detector = Tiled(part="pca", size=32, alpha=0.2, random_state=0).fit(X)
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
    tunable_on_images: ClassVar = {"size": (16, 24), "overlap": (0.25, 0.75)}
    max_side: ClassVar[int] = 2**15

    part: str | None = None
    part_parameters: Mapping[str, Any] | None = None
    size: int | None = None
    overlap: float | None = None
    most_patches: int | None = None

    def _encoder(self, shape: tuple[int, ...]) -> AsIs:
        return AsIs()

    def _places(self) -> list[tuple[int, int]]:
        """Where patches begin: (row, column) of each."""
        s, (h, w) = self.settings_, self.shape_[-2:]
        return [(int(i), int(j)) for i in starts(h, s.size, s.overlap) for j in starts(w, s.size, s.overlap)]

    def _patches(self, x: Array) -> Array:
        """All patches (n P, ...) of images x (n, ...), image by image; rows are one patch each."""
        if self.kind_ == "rows":
            return x
        size = self.settings_.size
        cut = [x[..., i : i + size, j : j + size] for i, j in self._places()]
        return np.stack(cut, axis=1).reshape(-1, *cut[0].shape[1:])

    def _few(self, x: Array) -> Iterator[Array]:
        """Images in parts that have not too many patches."""
        n = max(1, _AT_ONCE // (1 if self.kind_ == "rows" else len(self._places())))
        return (x[start : start + n] for start in range(0, len(x), n))

    def _as_data(self, patches: Array) -> Data:
        return (
            Data(patches, self.columns_, kinds=self.kinds_, texts=self.texts_)
            if self.kind_ == "rows"
            else Data(patches)
        )

    def _learn(self, x: Encoded, rng: np.random.Generator, beside: Beside) -> None:
        if self.kind_ == "images" and self.settings_.size > min(self.shape_[-2:]):
            raise InvalidInputError(
                f"size must be no more than the image's shorter side, {min(self.shape_[-2:])}, got {self.settings_.size}."
            )
        self.part_ = self._fresh(int(rng.integers(2**31)))
        earlier = beside.start.part_ if isinstance(beside.start, Tiled) else None
        inner = beside.checkpoints.inner("part") if beside.checkpoints is not None else None
        if beside.checkpoints is not None and beside.checkpoints.newest is None and self.random_state is None:
            beside.checkpoints.save(
                0, {"seed": self.seed_}, {}
            )  # all else that a killed fit needs is in the part's own
        self.part_.fit_part(self._as_data(self._some(x, rng)), inner, earlier)
        self.part_.examples_ = None

    def _fresh(self, seed: int) -> Detector[Any]:
        """The detector of patches, not fitted."""
        kind = _KNOWN.get(self.settings_.part)
        if kind is None:
            raise unknown("part", self.settings_.part, _KNOWN)
        options = {"verbose": self.verbose, "random_state": seed, **(self.part_parameters or {})}
        known = kind().get_params(deep=False)
        for option in options:
            if option not in known:
                raise unknown("option", option, known)
        return kind(**options)

    def _some(self, x: Array, rng: np.random.Generator) -> Array:
        """As many patches of images x as are learned from."""
        most = self.settings_.most_patches
        count = 1 if self.kind_ == "rows" else len(self._places())
        chosen = rng.permutation(len(x) * count)[:most] if len(x) * count > most else np.arange(len(x) * count)
        chosen.sort()
        if self.kind_ == "rows":
            return x[chosen]
        places, size = self._places(), self.settings_.size
        cut = [(x[k // count], places[k % count]) for k in chosen.tolist()]
        return np.stack([image[..., i : i + size, j : j + size] for image, (i, j) in cut])

    def _check_start(self, start: Detector[Any] | None) -> None:
        if start is not None and not (isinstance(start, Tiled) and hasattr(start, "part_")):
            raise InvalidInputError(f"start must be a fitted Tiled, got {start!r}.")

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
            self.part_.calibrate(patches)

    def _terms(self, x: Encoded) -> dict[str, Floats]:
        parts = [self._worst(self.part_._all_terms(self._patches(few)), len(few))[0] for few in self._few(x)]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def _worst(self, terms: Mapping[str, Floats], n: int) -> tuple[dict[str, Floats], NDArray[np.int64]]:
        """Of terms (n P,) of patches those of each image's worst, (n,), and which that is."""
        by_image = {name: values.reshape(n, -1) for name, values in terms.items()}
        worst = np.asarray(sum(by_image.values())).argmax(axis=1)
        return {name: values[np.arange(n), worst] for name, values in by_image.items()}, worst

    def _explained(self, x: Array) -> Parts:
        return joined([self._explained_few(few) for few in self._few(x)])

    def _explained_few(self, x: Array) -> Parts:
        """Every pixel's share is the mean of those that it has in the patches which cover it."""
        parts = self.part_._explained(self._patches(x))
        if self.kind_ == "rows":
            return parts
        terms, worst = self._worst(parts.terms, len(x))
        shares, expected = self._stitched(parts.shares, len(x)), self._stitched(parts.expected, len(x))
        base = np.asarray(sum(terms.values())) - shares.reshape(len(x), -1).sum(axis=1)
        spread = None if parts.spread is None else parts.spread.reshape(len(x), -1)[np.arange(len(x)), worst]
        return replace(parts, shares=shares, base=base, expected=expected, terms=terms, spread=spread, beside=None)

    def _stitched(self, patches: Array, n: int) -> Floats:
        """What patches (n P, ...) show, put together where they came from, (n, ...); the mean where they overlap."""
        size, places = self.settings_.size, self._places()
        by_image = patches.reshape(n, len(places), *patches.shape[1:])
        whole = np.zeros((n, *patches.shape[1:-2], *self.shape_[-2:]))
        times = np.zeros(self.shape_[-2:])
        for k, (i, j) in enumerate(places):
            whole[..., i : i + size, j : j + size] += by_image[:, k]
            times[i : i + size, j : j + size] += 1
        return np.asarray(whole / times)

    def _blocks(self) -> Blocks | None:
        return self.part_._blocks()

    @property
    def health_(self) -> list[str]:
        """What went wrong in training the detector of patches."""
        return [*getattr(self.part_, "health_", ())]

    def describe(self) -> dict[str, Any]:
        """What this detector is and how it came about, JSON-able."""
        about = super().describe()
        patches = 1 if self.kind_ == "rows" else len(self._places())
        return about | {"health": self.health_, "patches": patches, "part": self.part_.describe()}

    def _state(self) -> tuple[dict[str, Any], persistence.Arrays]:
        manifest, arrays = self.part_.content()
        return {"part": manifest.model_dump()}, {f"part.{name}": array for name, array in arrays.items()}

    def _restore(self, state: dict[str, Any], arrays: persistence.Arrays) -> None:
        manifest = persistence.Manifest.model_validate(state["part"])
        self.part_ = _KNOWN[manifest.detector].from_file(manifest, persistence.under("part.", arrays))
        self.part_.examples_ = None
