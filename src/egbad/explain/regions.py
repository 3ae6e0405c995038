"""Regions of an image that are anomalous: connected parts of its anomaly map."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from egbad.arrays import Floats

REGIONS = tuple(
    f"{row} {column}".strip().replace("middle centre", "centre")
    for row in ("upper", "middle", "lower")
    for column in ("left", "centre", "right")
)
_NEIGHBOURS = np.ones((3, 3))  # pixels that touch at a corner are connected


@dataclass(frozen=True)
class Region:
    """Connected part of an image with high values in the anomaly map.

    Attributes
    ----------
    name : str
        Where its centre lies: "upper left", "centre" and so on, one of nine.
    top, left, bottom, right : int
        Rows `top` to ``bottom - 1`` and columns `left` to ``right - 1`` hold it.
    size : int
        Number of pixels.
    peak : float
        Highest value of the map in it.
    share : float
        Share of its pixels in the positive shares of the image's score, in [0, 1].
    above_threshold : bool
        True if its pixels are above the pixel threshold, which at most a share `alpha` of normal images exceeds anywhere.
    """

    name: str
    top: int
    left: int
    bottom: int
    right: int
    size: int
    peak: float
    share: float
    above_threshold: bool


def find_regions(anomaly_map: Floats, shares: Floats, threshold: float | None = None) -> list[Region]:
    """Find the connected parts of an anomaly map that are above a threshold.

    If there are none, the only region is the part around the highest pixel that is more than half as high above the map's
    median.

    Parameters
    ----------
    anomaly_map : ndarray of shape (height, width)
    shares : ndarray of shape (height, width)
        Shares of the pixels in the score.
    threshold : float, optional
        Pixel threshold, see `pixel_threshold` of detectors.

    Returns
    -------
    list of Region
        Largest share first, of equal shares the highest peak. At least one.

    Examples
    --------
    >>> import numpy as np
    >>> scores = np.zeros((6, 9))
    >>> scores[0, :2], scores[4, 7] = 2.0, 5.0
    >>> [(region.name, region.size, region.peak) for region in find_regions(scores, scores, threshold=1.0)]
    [('lower right', 1, 5.0), ('upper left', 2, 2.0)]
    >>> [(region.name, region.size) for region in find_regions(scores, scores, threshold=9.0)]
    [('lower right', 1)]
    """
    from scipy import ndimage  # takes long to import, and exported graphs need no scipy

    exceeds = np.zeros(anomaly_map.shape, np.bool_) if threshold is None else anomaly_map > threshold
    is_above = bool(exceeds.any())
    labels = ndimage.label(exceeds if is_above else _near_peak(anomaly_map), _NEIGHBOURS)[0]
    if not is_above:
        peak = np.unravel_index(int(anomaly_map.argmax()), anomaly_map.shape)
        labels = (labels == labels[peak]).astype(np.int32)
    boxes = ndimage.find_objects(labels)
    places = np.arange(1, len(boxes) + 1)
    sizes, peaks = np.bincount(labels.ravel())[1:], ndimage.maximum(anomaly_map, labels, places)
    weights = np.maximum(shares, 0)
    fractions = ndimage.sum_labels(weights, labels, places) / max(float(weights.sum()), np.finfo(np.float64).tiny)
    found = [
        Region(
            _name(rows, columns, anomaly_map.shape),
            *(rows.start, columns.start, rows.stop, columns.stop),
            int(size),
            float(peak),
            min(float(share), 1.0),
            is_above,
        )
        for (rows, columns), size, peak, share in zip(boxes, sizes, peaks, fractions, strict=True)
    ]
    return sorted(found, key=lambda region: (-region.share, -region.peak))


def _near_peak(anomaly_map: Floats) -> NDArray[np.bool_]:
    """Return True for pixels that are more than half as high above the median as the highest one."""
    peak, median = float(anomaly_map.max()), float(np.median(anomaly_map))
    return np.asarray(anomaly_map > (peak + median) / 2 if peak > median else anomaly_map == peak)


def _name(rows: slice, columns: slice, shape: tuple[int, ...]) -> str:
    """Return the name of the place of a box in an image (height, width)."""
    i, j = ((box.start + box.stop) * 3 // (2 * side) for box, side in zip((rows, columns), shape, strict=True))
    return REGIONS[3 * min(int(i), 2) + min(int(j), 2)]
