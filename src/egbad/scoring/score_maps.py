"""Scores of images together with their anomaly maps, by one pass of a backbone for both."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from egbad.arrays import Array, Floats
from egbad.data import Data, take_rows

BATCH_IMAGES = 16  # whose maps are computed together: bounds memory

MapReceiver = Callable[[int, Floats], None]  # called with the position of an image and its map (h, w)


def score_with_maps(scorer: Any, data: Data, wanted: NDArray[np.bool_], receive: MapReceiver) -> dict[str, Floats]:
    """Compute the score terms of images, and hand over the maps of some of them.

    Parameters
    ----------
    scorer : Scorer
        Explains images.
    data : Data
    wanted : ndarray of bool of shape (n_samples,)
        True for the images whose maps are handed over.
    receive : callable
        Called with the position of an image and its map of shape (h, w), in order.

    Returns
    -------
    dict of str to ndarray of shape (n_samples,)

    Examples
    --------
    >>> from egbad.detectors.knn import KNN
    >>> X = np.random.default_rng(0).normal(size=(100, 16, 16))
    >>> detector = KNN(alpha=0.1, random_state=0).fit(X[:97])
    >>> terms = score_with_maps(detector, Data(X[97:]), np.array([False, True, False]), lambda i, one: print(i, one.shape))
    1 (16, 16)
    >>> terms["distance"].shape
    (3,)
    """
    parts, without = [], np.flatnonzero(~wanted)
    if len(without):
        parts.append((without, scorer.score_terms(take_rows(data, without))))
    mapped = np.flatnonzero(wanted)
    for start in range(0, len(mapped), BATCH_IMAGES):
        positions = mapped[start : start + BATCH_IMAGES]
        terms, maps = _terms_and_maps(scorer, take_rows(data, positions))
        parts.append((positions, terms))
        for i, one in zip(positions.tolist(), maps, strict=True):
            receive(i, one)
    order = np.argsort(np.concatenate([positions for positions, _ in parts]))
    return {name: np.concatenate([terms[name] for _, terms in parts])[order] for name in parts[0][1]}


def _terms_and_maps(scorer: Any, images: Data) -> tuple[dict[str, Floats], Array]:
    """Return the terms (n,) and the maps (n, h, w) of images; exported graphs have explanations only."""
    if hasattr(scorer, "score_terms_and_maps"):
        terms, maps = scorer.score_terms_and_maps(images)
        return terms, maps
    return scorer.score_terms(images), scorer.explain(images).shares
