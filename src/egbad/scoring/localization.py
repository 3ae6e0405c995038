"""Metrics of pixel scores against masks of defects.

Pixels are counted in bins as the images come, so that memory does not depend on their number. A bin is as wide as 0.2 percent of
the distance from the median of the first image's scores, where most scores of normal pixels lie.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image
from scipy.ndimage import label
from sklearn.metrics import auc

from egbad.arrays import Array, Floats
from egbad.data import Data
from egbad.errors import InvalidInputError
from egbad.scoring.metrics import Bools
from egbad.scoring.score_maps import BATCH_IMAGES

PRO_LIMIT = 0.3  # highest false alarm rate of per-region overlap
PEAK_TOLERANCE = 0.03  # of the image's width: how far from the mask the highest pixel may lie
_MAX_PIXELS = 2**20  # of an image; larger ones are compared at a reduced size
_SIGN = np.uint32(1 << 31)
_KEY_BITS = 18  # of a score in single precision: sign, exponent and nine bits of the mantissa
_NORMAL = ""  # kind of images without a defect


@dataclass(frozen=True)
class Localization:
    """Metrics of pixel scores.

    Attributes
    ----------
    pixel_auroc : float
        Area under the ROC curve of all pixels, in [0, 1].
    pro : float
        Per-region overlap, in [0, 1], see `per_region_overlap`.
    peaks_in_masks : float
        Share of images with a defect whose highest pixel lies in the mask, or no farther from it than 3 percent of the image's
        width.
    masked_images : int
        Number of images with a defect that were compared.
    """

    pixel_auroc: float
    pro: float
    peaks_in_masks: float
    masked_images: int


class PixelCounts:
    """Numbers of normal and anomalous pixels by score.

    Parameters
    ----------
    offset : float
        Score near which the bins are narrowest.
    """

    def __init__(self, offset: float) -> None:
        self.offset = offset
        self.normal, self.anomalous, self.overlap = (np.zeros(2**_KEY_BITS) for _ in range(3))
        self.regions = self.images = self.peaks = 0

    def add(self, scores: Floats, mask: Bools) -> None:
        """Count the pixels of an image.

        Parameters
        ----------
        scores : ndarray of shape (h, w)
            Finite.
        mask : ndarray of bool of shape (h, w)
            True inside a defect.
        """
        keys = _keys(scores - self.offset)
        self.normal += np.bincount(keys[~mask], minlength=len(self.normal))
        if not mask.any():
            return
        inside = keys[mask]
        weights, n_regions = _region_weights(mask)
        self.anomalous += np.bincount(inside, minlength=len(self.normal))
        self.overlap += np.bincount(inside, weights, minlength=len(self.normal))
        self.regions += n_regions
        self.images += 1
        self.peaks += _peak_is_inside(scores, mask)

    def __add__(self, other: "PixelCounts") -> "PixelCounts":
        """Return the counts of the images of both."""
        total = PixelCounts(self.offset)
        for name in ("normal", "anomalous", "overlap", "regions", "images", "peaks"):
            setattr(total, name, getattr(self, name) + getattr(other, name))
        return total

    def has_both_kinds(self) -> bool:
        """Return True if there are normal and anomalous pixels."""
        return bool(self.normal.any() and self.anomalous.any())

    def auroc(self) -> float:
        """Return the area under the ROC curve of the pixels."""
        below = self.normal.cumsum() - self.normal
        wins = float((self.anomalous * (below + self.normal / 2)).sum())
        return wins / (float(self.anomalous.sum()) * float(self.normal.sum()))

    def pro(self, limit: float = PRO_LIMIT) -> float:
        """Return the per-region overlap."""
        used = np.flatnonzero(self.normal + self.anomalous)[::-1]
        false_alarm_rate = np.r_[0, self.normal[used].cumsum() / self.normal.sum()]
        overlap = np.r_[0, self.overlap[used].cumsum() / self.regions]
        at_limit = float(np.interp(limit, false_alarm_rate, overlap))
        below = false_alarm_rate < limit
        return float(auc(np.r_[false_alarm_rate[below], limit], np.r_[overlap[below], at_limit]) / limit)

    def measure(self) -> Localization:
        """Return all metrics."""
        return Localization(self.auroc(), self.pro(), self.peaks / self.images, self.images)


def per_region_overlap(scores: ArrayLike, masks: ArrayLike, limit: float = PRO_LIMIT) -> float:
    """Compute the per-region overlap (PRO) of pixel scores with defects (Bergmann et al., 2020, arXiv:1911.02357).

    At every threshold, the overlap is the share of a connected region's pixels that score above it, averaged over
    regions of any size. PRO is the area under the curve of overlap over the false alarm rate of normal pixels, from 0 to
    `limit`, divided by `limit`. Chance is ``limit / 2``.

    Parameters
    ----------
    scores : array-like of shape (n_samples, height, width)
        Finite.
    masks : array-like of bool of shape (n_samples, height, width)
        True inside a defect. Pixels that touch at a corner belong to the same region.
    limit : float, default=0.3
        Highest false alarm rate, in (0, 1].

    Returns
    -------
    float
        In [0, 1].

    Raises
    ------
    InvalidInputError
        If `limit` is not in (0, 1], the arrays do not match, a score is not finite, or a class is missing.

    Examples
    --------
    >>> per_region_overlap([[[0.0, 0.1, 0.9]]], [[[False, False, True]]])
    1.0
    """
    if not 0 < limit <= 1:
        raise InvalidInputError(f"limit must be in (0, 1], got {limit}.")
    s, y = np.asarray(scores, dtype=np.float64), np.asarray(masks, dtype=np.bool_)
    if s.ndim != 3 or s.shape != y.shape:
        raise InvalidInputError(f"Scores and masks must have one shape (n, h, w), got {s.shape} and {y.shape}.")
    meter = LocalizationMeter()
    for image_scores, mask in zip(s, y, strict=True):
        meter.add(image_scores, mask, "all")
    counts = meter.total()
    if not counts.has_both_kinds():
        raise InvalidInputError("There must be normal and anomalous pixels, got one kind.")
    return counts.pro(limit)


class LocalizationMeter:
    """Pixel scores of images with and without defects, by kind of defect."""

    def __init__(self) -> None:
        self.by_kind: dict[str, PixelCounts] = {}

    def add(self, scores: Floats, mask: Bools, kind: str) -> None:
        """Add an image.

        Parameters
        ----------
        scores : ndarray of shape (h, w)
        mask : ndarray of bool of shape (h', w')
            The scores are interpolated to its size. Images of more than about a million pixels are compared at a smaller size.
        kind : str
            Kind of defect, or of normal images.

        Raises
        ------
        InvalidInputError
            If a score is not finite.
        """
        if not np.isfinite(scores).all():
            raise InvalidInputError("Pixel scores must be finite, got NaN or infinity.")
        size = _comparison_size(mask.shape)
        scores, mask = _resize_scores(scores, size), _resize_mask(mask, size)
        if not self.by_kind:
            self.offset = float(np.median(scores))
        self.by_kind.setdefault(kind, PixelCounts(self.offset)).add(scores, mask)

    def total(self, kinds: Iterable[str] | None = None) -> PixelCounts:
        """Return the counts of some kinds, by default of all.

        Parameters
        ----------
        kinds : iterable of str, optional

        Returns
        -------
        PixelCounts
        """
        chosen = [self.by_kind[kind] for kind in (self.by_kind if kinds is None else kinds) if kind in self.by_kind]
        return sum(chosen[1:], chosen[0]) if chosen else PixelCounts(0.0)

    def measure(self, kinds: Iterable[str] | None = None) -> Localization | None:
        """Return the metrics of some kinds, None if they have no normal or no anomalous pixels.

        Parameters
        ----------
        kinds : iterable of str, optional
            By default all.

        Returns
        -------
        Localization or None
        """
        counts = self.total(kinds)
        return counts.measure() if counts.has_both_kinds() else None


class MaskComparison:
    """Comparison of the pixel scores of images with masks, for each kind of defect and for all together.

    Parameters
    ----------
    kinds : sequence of str of length n
        Kind of defect of each image.
    anomalous : ndarray of bool of shape (n,)
        True for images with a defect.
    masks : sequence of callable or None, of length n
        Each returns the mask (h, w) of an image, all False for a normal one. Images with None are left out.

    Attributes
    ----------
    compared : ndarray of bool of shape (n,)
        True for images whose pixel scores are compared. None are if no defect has a mask.
    """

    def __init__(self, kinds: Sequence[str], anomalous: Bools, masks: Sequence[Callable[[], Bools] | None]) -> None:
        self.kinds, self.anomalous, self.masks = kinds, anomalous, masks
        has_mask = np.array([mask is not None for mask in masks], dtype=np.bool_)
        self.compared = has_mask & (has_mask & anomalous).any()
        self._meter = LocalizationMeter()

    def add(self, i: int, scores: Floats) -> None:
        """Compare the pixel scores (h, w) of image i with its mask.

        Parameters
        ----------
        i : int
        scores : ndarray of shape (h, w)
        """
        mask = read() if (read := self.masks[i]) is not None else None
        # The pixels of a defect with an empty mask are unknown.
        if mask is not None and mask.any() == self.anomalous[i]:
            self._meter.add(scores, mask, self.kinds[i] if self.anomalous[i] else _NORMAL)

    def measure(self) -> dict[str | None, Localization]:
        """Return the metrics of each kind with masks, beside all normal images; None stands for all kinds.

        Returns
        -------
        dict of str or None to Localization
            Empty if no defect has a mask.
        """
        found = dict[str | None, Localization]()
        for kind in (None, *sorted({*self._meter.by_kind} - {_NORMAL})):
            if (metrics := self._meter.measure(None if kind is None else (kind, _NORMAL))) is not None:
                found[kind] = metrics
        return found


def pixel_scores(scorer: Any, x: Array) -> Iterator[Floats]:
    """Compute the score of each pixel, image by image, with bounded memory.

    Parameters
    ----------
    scorer : Scorer
        Explains images.
    x : ndarray of shape (n, ...)
        Images of one size or of different sizes.

    Yields
    ------
    ndarray of shape (h, w)
    """
    for start in range(0, len(x), BATCH_IMAGES):
        images = Data(x[start : start + BATCH_IMAGES])
        has_maps = hasattr(scorer, "anomaly_map")  # exported graphs have explanations only
        yield from scorer.anomaly_map(images) if has_maps else scorer.explain(images).shares


def measure_localization(
    scorer: Any, x: Array, kinds: Sequence[str], anomalous: Bools, masks: Sequence[Callable[[], Bools] | None]
) -> dict[str | None, Localization]:
    """Compare the pixel scores of images with masks, for each kind of defect and for all together.

    Parameters
    ----------
    scorer : Scorer
        Explains images.
    x : ndarray of shape (n, ...)
    kinds, anomalous, masks
        See `MaskComparison`.

    Returns
    -------
    dict of str or None to Localization
        See `MaskComparison.measure`.
    """
    comparison = MaskComparison(kinds, anomalous, masks)
    compared = np.flatnonzero(comparison.compared)
    for i, scores in zip(compared.tolist(), pixel_scores(scorer, x[compared]), strict=True):
        comparison.add(i, scores)
    return comparison.measure()


def _keys(values: Floats) -> NDArray[np.uint32]:
    """Return whole numbers of `_KEY_BITS` bits in the order of the values."""
    bits = (values.astype(np.float32) + np.float32(0)).view(np.uint32)  # the sum makes -0.0 and 0.0 equal
    ordered = np.where(bits & _SIGN, ~bits, bits | _SIGN)
    return np.asarray(ordered >> np.uint32(32 - _KEY_BITS))


def _region_weights(mask: Bools) -> tuple[Floats, int]:
    """Return 1 / size of the connected region of each masked pixel (n_masked,), and the number of regions."""
    labels, n_found = label(mask, np.ones((3, 3)))
    inside = labels[mask]
    return 1 / np.bincount(inside, minlength=n_found + 1)[inside], n_found


def _peak_is_inside(scores: Floats, mask: Bools) -> bool:
    """Return True if the highest pixel of (h, w) lies in or near the mask."""
    i, j = np.unravel_index(int(scores.argmax()), scores.shape)
    rows, columns = np.nonzero(mask)
    nearest = ((rows - i) ** 2 + (columns - j) ** 2).min()
    return bool(nearest <= (PEAK_TOLERANCE * scores.shape[1]) ** 2)


def _comparison_size(shape: tuple[int, ...]) -> tuple[int, int]:
    height, width = shape
    factor = min(1.0, sqrt(_MAX_PIXELS / (height * width)))
    return max(1, round(factor * height)), max(1, round(factor * width))


def _resize_scores(scores: Floats, size: tuple[int, int]) -> Floats:
    """Interpolate pixel scores (h, w) to another size."""
    if scores.shape == size:
        return scores
    image = Image.fromarray(scores.astype(np.float32)).resize(size[::-1], Image.Resampling.BILINEAR)
    return np.asarray(image, dtype=np.float64)


def _resize_mask(mask: Bools, size: tuple[int, int]) -> Bools:
    """Resize a mask (h, w). A pixel belongs to a defect if most of it does."""
    if mask.shape == size:
        return mask
    return np.asarray(Image.fromarray(mask.astype(np.float32)).resize(size[::-1], Image.Resampling.BOX)) >= 0.5
