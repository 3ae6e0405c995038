"""Encoder of images as features of a frozen backbone, scaled like the columns of a table.

With "global" features each image becomes one row. With "patches" each patch of an image becomes a row, and the score terms of
an image are the means over its patches with the highest scores, by one rule for all methods.
"""

from collections.abc import Callable, Iterator
from math import ceil
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from egbad.arrays import Array, Floats, State
from egbad.backbones.extractor import FeatureExtractor
from egbad.backbones.patches import enlarge, highest_patches
from egbad.data.ragged import is_ragged, ragged_array
from egbad.errors import InvalidInputError
from egbad.model_file import entries_within, with_prefix_removed
from egbad.preprocessing.row_encoder import RowEncoder

Features = Literal["global", "patches"]
Terms = dict[str, Floats]

FEATURES: tuple[Features, ...] = ("global", "patches")
_BATCH_IMAGES = 16  # whose patches are scored together: bounds memory


class TrainingFeatures(NamedTuple):
    """Encoded features to learn from.

    Attributes
    ----------
    rows : ndarray of shape (n_rows, width)
    image_of : ndarray of int of shape (n_rows,), or None
        Position of the image that a row belongs to. None if each image is one row.
    """

    rows: NDArray[np.float32]
    image_of: NDArray[np.intp] | None


class FeatureEncoder(RowEncoder):
    """Encode images as scaled features of a frozen backbone.

    Parameters
    ----------
    extractor : FeatureExtractor
        Maps images to vectors and to patches.
    features : {"global", "patches"}
        A row for each image, or for each patch.
    scaling : str
        Scaling of the features, as in `RowEncoder`.
    seed : int
        Seed of the sample of training patches.
    """

    def __init__(
        self, extractor: FeatureExtractor, features: Features, scaling: str = "standard", seed: int = 0
    ) -> None:
        super().__init__(scaling)
        self.extractor, self.features, self.seed = extractor, features, seed

    # -- rows --------------------------------------------------------------------------------------------------------

    def learn(self, x: Array, *, fit: bool = True) -> TrainingFeatures:
        """Fit the encoder, and return the encoded features to learn from.

        Parameters
        ----------
        x : ndarray of shape (n, ...)
            Training images.
        fit : bool, default=True
            False for an encoder that is fitted already.

        Returns
        -------
        TrainingFeatures
        """
        rng, image_of = np.random.default_rng(self.seed), None
        if self.features == "patches":
            rows, image_of = self.extractor.fit_sample(x, rng) if fit else self._sample_patches(x, rng)
        else:
            if fit:
                self.extractor.fit_input(x, rng)
            rows = self.extractor.vectors(x)
        if fit:
            self.fit(rows)
        return TrainingFeatures(super().encode(rows), image_of)

    def _sample_patches(self, x: Array, rng: np.random.Generator) -> tuple[Array, NDArray[np.intp]]:
        """Return random patches of images x (n, ...), about as many as `fit_sample` does, and the position of their images."""
        size, rows = ceil(self.extractor.settings.max_patches / len(x)), list[Array]()
        for images in self.batches(x):
            for patches in self.extractor.patches(images):
                flat = patches.reshape(-1, patches.shape[-1])
                rows.append(flat[np.sort(rng.permutation(len(flat))[:size])])
        return np.concatenate(rows), np.repeat(np.arange(len(x)), [len(part) for part in rows])

    def encode(self, x: Array) -> NDArray[np.float32]:
        """Encode images.

        Parameters
        ----------
        x : ndarray of shape (n, ...)

        Returns
        -------
        ndarray of shape (n, width), or (n * n_patches, width)
            Patches of an image row by row, one image after the other.
        """
        return (
            self.encode_vectors(self.extractor.vectors(x)) if self.features == "global" else self.encode_patches(x)[0]
        )

    def encode_vectors(self, vectors: Array) -> NDArray[np.float32]:
        """Encode the vectors of images.

        Parameters
        ----------
        vectors : ndarray of shape (n, d)

        Returns
        -------
        ndarray of shape (n, width)
        """
        return super().encode(vectors)

    def encode_places(self, x: Array) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Encode images and the places of the last layer, whose mean the vector of an image is.

        Parameters
        ----------
        x : ndarray of shape (n, ...)

        Returns
        -------
        rows : ndarray of shape (n, width)
        places : ndarray of shape (n, height, width of the map, width)
        """
        places, vectors = self.extractor.places_and_vectors(x)
        flat = super().encode(places.reshape(-1, places.shape[-1]))
        return super().encode(vectors), flat.reshape(places.shape)

    def encode_patches(self, x: Array) -> tuple[NDArray[np.float32], tuple[int, int, int]]:
        """Encode the patches of images.

        Parameters
        ----------
        x : ndarray of shape (n, ...)

        Returns
        -------
        rows : ndarray of shape (n * height * width, width of a row)
        grid : tuple of int
            (n, height, width), with height and width in patches.
        """
        patches = self.extractor.patches(x)
        n, height, width = patches.shape[:3]
        return super().encode(patches.reshape(n * height * width, -1)), (n, height, width)

    def decode(self, u: Array) -> Array:
        """Refuse to decode.

        Parameters
        ----------
        u : ndarray of shape (n, width)

        Raises
        ------
        InvalidInputError
            Always.
        """
        raise InvalidInputError(
            "Features of a backbone cannot be turned into images. Fit without backbone to reconstruct or generate images."
        )

    def batches(self, x: Array) -> Iterator[Array]:
        """Cut images into batches of bounded memory.

        Parameters
        ----------
        x : ndarray of shape (n, ...)

        Yields
        ------
        ndarray of shape (m, ...)
        """
        yield from (x[start : start + _BATCH_IMAGES] for start in range(0, len(x), _BATCH_IMAGES))

    # -- terms -------------------------------------------------------------------------------------------------------

    def map_terms(self, function: Callable[[NDArray[np.float32]], Terms], x: Array) -> Terms:
        """Return the score terms of images.

        Parameters
        ----------
        function : callable
            Takes encoded rows of shape (m, width) and returns terms of shape (..., m).
        x : ndarray of shape (n, ...)
            Images.

        Returns
        -------
        dict of str to ndarray of shape (..., n)
        """
        if self.features == "global":
            return function(self.encode(x))
        parts = []
        for images in self.batches(x):
            rows, grid = self.encode_patches(images)
            terms = function(rows)
            parts.append(mean_of_highest(terms, highest_patches(patch_scores(terms, grid))))
        return concatenate_terms(parts)

    # -- storage -----------------------------------------------------------------------------------------------------

    def state(self) -> State:
        """Return the fitted values as arrays, those of the extractor with the prefix "extractor".

        Returns
        -------
        dict of str to ndarray
            State that `restore` takes.
        """
        return super().state() | {f"extractor.{name}": array for name, array in self.extractor.state().items()}

    def restore(self, state: State, shape: tuple[int, ...]) -> "FeatureEncoder":
        """Restore the fitted values.

        Parameters
        ----------
        state : dict of str to ndarray
            State that `state` returned.
        shape : tuple of int
            Shape of an image.

        Returns
        -------
        FeatureEncoder
            The encoder itself.

        Raises
        ------
        InvalidEntryError
            If an array is not one that `state` returns, or does not fit the backbone.
        """
        with entries_within("extractor."):
            self.extractor.restore(with_prefix_removed("extractor.", state))
        own = {name: array for name, array in state.items() if not name.startswith("extractor.")}
        super().restore(own, (self.extractor.width(self.features),))
        return self


# -- patches -----------------------------------------------------------------------------------------------------------


def concatenate_terms(parts: list[Terms]) -> Terms:
    """Join the terms of batches.

    Parameters
    ----------
    parts : list of dict of str to ndarray of shape (..., m)

    Returns
    -------
    dict of str to ndarray of shape (..., n)
    """
    return {name: np.concatenate([part[name] for part in parts], axis=-1) for name in parts[0]}


def patch_scores(terms: Terms, grid: tuple[int, int, int]) -> Floats:
    """Return the scores of patches, means over the members of an ensemble.

    Parameters
    ----------
    terms : dict of str to ndarray of shape (..., n * height * width)
    grid : tuple of int
        (n, height, width).

    Returns
    -------
    ndarray of shape (n, height, width)
    """
    total: Floats = np.sum([*terms.values()], axis=0)
    return np.asarray(total.reshape(-1, total.shape[-1]).mean(0).reshape(grid))


def mean_of_highest(terms: Terms, highest: NDArray[np.intp]) -> Terms:
    """Return the terms of images, the means over some of their patches.

    Parameters
    ----------
    terms : dict of str to ndarray of shape (..., n * height * width)
    highest : ndarray of int of shape (n, k)
        Positions among the height * width patches of each image.

    Returns
    -------
    dict of str to ndarray of shape (..., n)
    """
    n_patches = next(iter(terms.values())).shape[-1] // len(highest)
    positions = highest + n_patches * np.arange(len(highest))[:, None]
    return {name: values[..., positions].mean(-1) for name, values in terms.items()}


def enlarge_to(values: Floats, x: Array) -> Array:
    """Distribute the value of each place of a grid evenly over the pixels of images.

    Parameters
    ----------
    values : ndarray of shape (n, height, width)
    x : ndarray of shape (n, ...)
        Images of one size, or of different ones.

    Returns
    -------
    ndarray of shape (n, h, w), or (n,) for images of different sizes
    """
    if not is_ragged(x):
        return enlarge(values, (x.shape[-2], x.shape[-1]))
    return ragged_array([enlarge(v[None], image.shape[-2:])[0] for v, image in zip(values, x, strict=True)])
