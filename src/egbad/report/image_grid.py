"""Images beside their reconstructions, and how they become pixels in a page."""

import base64
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from egbad.errors import InvalidInputError

# Every sixteenth colour of matplotlib's apply_magma (CC0): its lightness rises evenly, so that it reads without colour too.
MAGMA = (
    *("#000004", "#0c0926", "#221150", "#400f74", "#5f187f", "#7b2382", "#982d80", "#b73779"),
    *("#d3436e", "#eb5760", "#f8765c", "#fd9a6a", "#febb81", "#fddc9e", "#fcfdbf"),
)


@dataclass(frozen=True, eq=False)
class Reconstructions:
    """Held-out normals and anomalies with their reconstructions, in the user's units, and their scores.

    normal, normal_rebuilt, anomaly, anomaly_rebuilt   (m, h, w) or (m, c, h, w); m may differ between the kinds
    normal_scores, anomaly_scores                      (m,)
    """

    normal: NDArray[np.generic]
    normal_rebuilt: NDArray[np.generic]
    anomaly: NDArray[np.generic]
    anomaly_rebuilt: NDArray[np.generic]
    normal_scores: NDArray[np.generic]
    anomaly_scores: NDArray[np.generic]

    def __post_init__(self) -> None:
        for kind in ("normal", "anomaly"):
            x, x_hat = np.asarray(getattr(self, kind)), np.asarray(getattr(self, f"{kind}_rebuilt"))
            scores = np.asarray(getattr(self, f"{kind}_scores"))
            if x.ndim not in (3, 4) or x.shape != x_hat.shape or scores.shape != (len(x),):
                raise InvalidInputError(
                    f"Reconstructions of one kind must be (m, h, w) or (m, c, h, w) with reconstructions of the same shape "
                    f"and m scores, got {x.shape}, {x_hat.shape} and {scores.shape} for {kind}."
                )


def sample_by_score(
    reconstruct: Callable[[Any], Any], x: NDArray[Any], scores: NDArray[Any], anomalous: NDArray[np.bool_], n: int
) -> Reconstructions:
    """Of each kind `n` images x (m, ...) evenly from the lowest score to the highest, so that none is picked by hand."""

    def spread(places: NDArray[np.intp]) -> NDArray[np.intp]:
        ordered = places[np.argsort(scores[places], kind="stable")]
        return np.asarray(ordered[np.linspace(0, len(ordered) - 1, min(n, len(ordered))).round().astype(int)])

    normal, anomaly = (spread(np.flatnonzero(kind)) for kind in (~anomalous, anomalous))
    return Reconstructions(
        normal=x[normal],
        normal_rebuilt=reconstruct(x[normal]),
        anomaly=x[anomaly],
        anomaly_rebuilt=reconstruct(x[anomaly]),
        normal_scores=scores[normal],
        anomaly_scores=scores[anomaly],
    )


@dataclass(frozen=True)
class ImageComparison:
    """One image, its reconstruction and their absolute difference as PNG data URIs, with its score."""

    original: str
    rebuilt: str
    difference: str
    score: float


@dataclass(frozen=True)
class ImageGrid:
    """All pictures of a report. They share one grey scale, and their differences one colour scale [0, reach]."""

    normals: tuple[ImageComparison, ...]
    anomalies: tuple[ImageComparison, ...]
    reach: float
    height: int
    width: int


def render_grid(pictures: Reconstructions) -> ImageGrid:
    """Turn arrays into PNG data URIs. Reconstructions are clipped to the range of the originals."""
    normal, normal_hat = to_channels_first(pictures.normal), to_channels_first(pictures.normal_rebuilt)
    anomaly, anomaly_hat = to_channels_first(pictures.anomaly), to_channels_first(pictures.anomaly_rebuilt)
    values = np.concatenate([normal.ravel(), anomaly.ravel()])
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
    gaps = [abs(normal - normal_hat).mean(1), abs(anomaly - anomaly_hat).mean(1)]  # each (m, h, w)
    reach = max((float(g.max()) for g in gaps if g.size), default=0.0) or 1.0

    def triples(
        x: NDArray[np.float64], x_hat: NDArray[np.float64], gap: NDArray[np.float64], scores: NDArray[np.generic]
    ) -> tuple[ImageComparison, ...]:
        return tuple(
            ImageComparison(
                png_data_uri(to_pixels(a, low, high)),
                png_data_uri(to_pixels(b, low, high)),
                png_data_uri(apply_magma(d / reach)),
                float(s),
            )
            for a, b, d, s in zip(x, x_hat, gap, np.asarray(scores, dtype=np.float64), strict=True)
        )

    return ImageGrid(
        normals=triples(normal, normal_hat, gaps[0], pictures.normal_scores),
        anomalies=triples(anomaly, anomaly_hat, gaps[1], pictures.anomaly_scores),
        reach=reach,
        height=normal.shape[2],
        width=normal.shape[3],
    )


def apply_magma(values: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Values in [0, 1] (h, w) -> colours (h, w, 3) of the apply_magma map, from black over purple to pale yellow."""
    anchors = np.array([[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in MAGMA], dtype=np.float64)
    places = np.linspace(0, 1, len(anchors))
    return np.stack([np.interp(values, places, anchors[:, c]) for c in range(3)], axis=-1).round().astype(np.uint8)


def png_data_uri(pixels: NDArray[np.uint8]) -> str:
    """Grey (h, w) or colour (h, w, 3) pixels -> a PNG as a data URI."""
    from PIL import Image

    file = BytesIO()
    Image.fromarray(pixels).save(file, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode("ascii")


def to_channels_first(x: NDArray[np.generic]) -> NDArray[np.float64]:
    """(m, h, w) or (m, c, h, w) -> (m, c, h, w), finite."""
    floats = np.nan_to_num(np.asarray(x, dtype=np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    return floats[:, None] if floats.ndim == 3 else floats


def to_pixels(image: NDArray[np.float64], low: float, high: float) -> NDArray[np.uint8]:
    """One image (c, h, w) -> grey (h, w), or colour (h, w, 3) where c is 3; other channels are averaged."""
    shown = np.moveaxis(image, 0, -1) if len(image) == 3 else image.mean(0)
    scaled = (shown - low) / ((high - low) or 1.0)
    return (255 * scaled.clip(0, 1)).round().astype(np.uint8)
