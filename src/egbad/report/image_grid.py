"""Images next to their reconstructions, encoded as PNG data URIs for a page."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from egbad.arrays import Array, Floats
from egbad.errors import InvalidInputError
from egbad.plot.pixels import apply_magma, png_data_uri, to_channels_first, to_pixels


@dataclass(frozen=True, eq=False)
class Reconstructions:
    """Held-out normal images and anomalies, with their reconstructions and scores.

    Parameters
    ----------
    normal, normal_reconstructed : ndarray of shape (n_normal, h, w) or (n_normal, c, h, w)
        Normal images and their reconstructions, in the user's units.
    anomaly, anomaly_reconstructed : ndarray of shape (n_anomaly, h, w) or (n_anomaly, c, h, w)
        Anomalies and their reconstructions.
    normal_scores : ndarray of shape (n_normal,)
        Anomaly scores of the normal images.
    anomaly_scores : ndarray of shape (n_anomaly,)
        Anomaly scores of the anomalies.

    Raises
    ------
    InvalidInputError
        If images, reconstructions and scores differ in shape.
    """

    normal: Array
    normal_reconstructed: Array
    anomaly: Array
    anomaly_reconstructed: Array
    normal_scores: Array
    anomaly_scores: Array

    def __post_init__(self) -> None:
        for kind in ("normal", "anomaly"):
            x, x_hat = np.asarray(getattr(self, kind)), np.asarray(getattr(self, f"{kind}_reconstructed"))
            scores = np.asarray(getattr(self, f"{kind}_scores"))
            if x.ndim not in (3, 4) or x.shape != x_hat.shape or scores.shape != (len(x),):
                raise InvalidInputError(
                    f"The {kind} images must have shape (n, h, w) or (n, c, h, w), with reconstructions of the same "
                    f"shape and n scores, got {x.shape}, {x_hat.shape} and {scores.shape}."
                )


def sample_by_score(
    reconstruct: Callable[[Any], Any], x: Array, scores: Array, anomalous: NDArray[np.bool_], n: int
) -> Reconstructions:
    """Select normal images and anomalies evenly from the lowest score to the highest.

    An even selection shows what the scores mean and leaves no room for cherry-picking.

    Parameters
    ----------
    reconstruct : callable
        Returns the reconstructions of images.
    x : ndarray of shape (n_samples, h, w) or (n_samples, c, h, w)
        Held-out images.
    scores : ndarray of shape (n_samples,)
        Their anomaly scores.
    anomalous : ndarray of bool of shape (n_samples,)
        True for anomalies.
    n : int
        Maximum number of images of each kind.

    Returns
    -------
    Reconstructions
        The selected images, each kind in ascending order of its score.
    """
    normal, anomaly = (_spread_by_score(np.flatnonzero(kind), scores, n) for kind in (~anomalous, anomalous))
    return Reconstructions(
        normal=x[normal],
        normal_reconstructed=reconstruct(x[normal]),
        anomaly=x[anomaly],
        anomaly_reconstructed=reconstruct(x[anomaly]),
        normal_scores=scores[normal],
        anomaly_scores=scores[anomaly],
    )


def _spread_by_score(indices: NDArray[np.intp], scores: Array, n: int) -> NDArray[np.intp]:
    """Return at most `n` of the indices, evenly spaced by the rank of their scores."""
    ordered = indices[np.argsort(scores[indices], kind="stable")]
    return np.asarray(ordered[np.linspace(0, len(ordered) - 1, min(n, len(ordered))).round().astype(int)])


@dataclass(frozen=True)
class ImageComparison:
    """An image, its reconstruction and their absolute difference.

    Parameters
    ----------
    original, reconstruction, difference : str
        PNG data URIs.
    score : float
        Anomaly score of the image.
    """

    original: str
    reconstruction: str
    difference: str
    score: float


@dataclass(frozen=True)
class ImageGrid:
    """The images of a page. They share one grey scale, and their differences share one colour scale.

    Parameters
    ----------
    normals, anomalies : tuple of ImageComparison
        Each kind in ascending order of the score.
    max_difference : float
        The difference that the brightest colour stands for. The darkest stands for 0.
    height, width : int
        Size of the images in pixels.
    """

    normals: tuple[ImageComparison, ...]
    anomalies: tuple[ImageComparison, ...]
    max_difference: float
    height: int
    width: int

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Create a grid from its JSON form.

        Early `runs.jsonl` files name the fields `rebuilt` and `reach`. Both are read.

        Parameters
        ----------
        values : mapping
            The grid as `to_jsonable` returns it.

        Returns
        -------
        ImageGrid
        """
        normals, anomalies = (
            tuple(
                ImageComparison(
                    original=image["original"],
                    reconstruction=image["reconstruction"] if "reconstruction" in image else image["rebuilt"],
                    difference=image["difference"],
                    score=image["score"],
                )
                for image in values[kind]
            )
            for kind in ("normals", "anomalies")
        )
        max_difference = values["max_difference"] if "max_difference" in values else values["reach"]
        return cls(normals, anomalies, max_difference, values["height"], values["width"])


def render_grid(images: Reconstructions) -> ImageGrid:
    """Encode images, reconstructions and differences as PNG data URIs.

    Reconstructions are clipped to the range of the originals.

    Parameters
    ----------
    images : Reconstructions

    Returns
    -------
    ImageGrid
    """
    normal, normal_hat = to_channels_first(images.normal), to_channels_first(images.normal_reconstructed)
    anomaly, anomaly_hat = to_channels_first(images.anomaly), to_channels_first(images.anomaly_reconstructed)
    values = np.concatenate([normal.ravel(), anomaly.ravel()])
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
    differences = [abs(normal - normal_hat).mean(1), abs(anomaly - anomaly_hat).mean(1)]  # each (n, h, w)
    max_difference = max((float(d.max()) for d in differences if d.size), default=0.0) or 1.0

    def compare(x: Floats, x_hat: Floats, difference: Floats, scores: Array) -> tuple[ImageComparison, ...]:
        return tuple(
            ImageComparison(
                original=png_data_uri(to_pixels(image, low, high)),
                reconstruction=png_data_uri(to_pixels(image_hat, low, high)),
                difference=png_data_uri(apply_magma(d / max_difference)),
                score=float(score),
            )
            for image, image_hat, d, score in zip(x, x_hat, difference, scores, strict=True)
        )

    return ImageGrid(
        normals=compare(normal, normal_hat, differences[0], images.normal_scores),
        anomalies=compare(anomaly, anomaly_hat, differences[1], images.anomaly_scores),
        max_difference=max_difference,
        height=normal.shape[2],
        width=normal.shape[3],
    )
