"""Features of images by a backbone: descriptions of patches, and a vector for each image.

Each image is prepared and computed by itself on one thread, so that its features have the same bits in any batch. Images of
files are decoded when they are needed: memory does not grow with their number.
"""

from collections.abc import Callable
from dataclasses import replace
from math import ceil
from typing import Any, Literal, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from egbad.arrays import Array, ArraySpec, State, check_arrays
from egbad.backbones.base import Backbone
from egbad.backbones.config import MAX_SIDE, FeatureConfig, FeatureSettings
from egbad.backbones.image_input import ImageInput, Size, map_images
from egbad.backbones.patches import finest_grid, join_maps, scale_lengths, whitening
from egbad.backbones.runtime import Engine, FeatureRunner, engine_or_torch, resolve_engine
from egbad.errors import InvalidEntryError, InvalidInputError
from egbad.nn.threads import one_thread

T = TypeVar("T")
Features = NDArray[np.float32]

_MAX_FEATURE = 1e30
_FEATURES = ArraySpec("float32", ("d",), low=-_MAX_FEATURE, high=_MAX_FEATURE, optional=True)
_ARRAYS = {"onnxruntime": ArraySpec("bool"), "mean": _FEATURES, "matrix": replace(_FEATURES, shape=("d", "d"))}


class FeatureExtractor:
    """Maps images to descriptions of their patches, and to vectors.

    Images are arrays of shape (n, h, w) or (n, c, h, w) with one channel or three, or images of different sizes (see
    `egbad.data.ragged`), with pixels of any type. All are resized to one size.

    Parameters
    ----------
    backbone : Backbone
    config : FeatureConfig or FeatureSettings, optional
    device : str
        "cpu" or a GPU.

    Attributes
    ----------
    layers : tuple of str
        Layers that describe patches.
    input : ImageInput
        Sizes and brightness of images, after `fit`.
    engine : {"torch", "onnxruntime"}
        Computes the backbone.

    Examples
    --------
    >>> from egbad.backbones import load_backbone
    >>> images = np.random.default_rng(0).integers(0, 256, (3, 48, 64), dtype=np.uint8)
    >>> extractor = FeatureExtractor(load_backbone("efficientnet_lite0"), FeatureConfig(image_size=64))
    >>> extractor = extractor.fit(images, np.random.default_rng(0))
    >>> extractor.patches(images).shape, extractor.vectors(images).shape
    ((3, 8, 8, 152), (3, 320))
    """

    def __init__(
        self, backbone: Backbone, config: FeatureConfig | FeatureSettings | None = None, device: str = "cpu"
    ) -> None:
        self.backbone, self.settings, self.device = backbone, FeatureSettings.of(config), device
        self.layers = backbone.check_layers(self.settings.layers or backbone.default_layers)
        self.engine: Engine = resolve_engine(self.settings.engine, backbone, device)
        self._runners: dict[tuple[str, ...], FeatureRunner] = {}

    @property
    def enough_side(self) -> int:
        """Side of a square with as many pixels as an image needs."""
        return max(self.settings.image_size or MAX_SIDE, self.settings.global_size)

    def width(self, features: Literal["global", "patches"]) -> int:
        """Return the number of values of a vector, or of the description of a patch."""
        names = (self.backbone.global_layer,) if features == "global" else self.layers
        return sum(self.backbone.channels[name] for name in names)

    # -- fitting -----------------------------------------------------------------------------------------------------

    def fit(self, images: Array, rng: np.random.Generator) -> "FeatureExtractor":
        """Learn size, brightness and whitening.

        Parameters
        ----------
        images : ndarray of shape (n, ...)
            Training images.
        rng : numpy.random.Generator
            Draws the patches for whitening.

        Returns
        -------
        FeatureExtractor
            The extractor itself.
        """
        self.fit_sample(images, rng)
        return self

    def fit_sample(self, images: Array, rng: np.random.Generator) -> tuple[Features, NDArray[np.intp]]:
        """Fit, and return the descriptions of the random training patches that whitening was learned from.

        Parameters and errors are those of `fit`.

        Returns
        -------
        patches : ndarray of shape (m, d)
            At most `max_patches`, the same number from each image.
        image_of : ndarray of int of shape (m,)
            Position of the image that a patch belongs to.
        """
        self.fit_input(images, rng)
        n, limit = len(images), self.settings.max_patches
        chosen = np.sort(rng.permutation(n)[:limit])
        per_image = ceil(limit / n)
        seeds = rng.integers(2**63, size=len(chosen))

        def draw(image: Array, position: int) -> Array:
            maps = self._runner(self.layers).features(self.input.prepare(image, self.input.size))
            places, _ = self._join(maps)
            drawn = np.random.default_rng(seeds[position]).permutation(len(places))[:per_image]
            return places.numpy()[np.sort(drawn)]

        parts = map_images(draw, images if len(chosen) == n else images[chosen], parallel=self.device == "cpu")
        x, image_of = np.concatenate(parts), np.repeat(chosen, [len(part) for part in parts])
        if len(x) > limit:
            kept = np.sort(rng.permutation(len(x))[:limit])
            x, image_of = x[kept], image_of[kept]
        self._set_whitening(*whitening(x, self.settings.shrinkage) if self.settings.whitening else (None, None))
        with one_thread():
            return self._describe(torch.from_numpy(x)).numpy(), image_of

    def fit_input(self, images: Array, rng: np.random.Generator) -> None:
        """Learn size and brightness only, which `vectors` and `places` need.

        Parameters
        ----------
        images : ndarray of shape (n, ...)
        rng : numpy.random.Generator
            Draws 1,000 images, if there are more, to learn the brightness from.
        """
        self.input = ImageInput.fit(images, rng, self.settings)
        self._set_whitening(None, None)

    # -- features ----------------------------------------------------------------------------------------------------

    def map_patches(self, function: Callable[[Tensor, Size], T], images: Array) -> list[T]:
        """Apply a function to the descriptions of the patches of each image, on several threads.

        Parameters
        ----------
        function : callable
            Takes a Tensor of shape (height * width, d), and height and width of the grid. Computes on one thread.
        images : ndarray of shape (n, ...)

        Returns
        -------
        list
            The results, in the order of the images.
        """
        return self.map_features(self._runner(self.layers), lambda maps: function(*self.describe(maps)), images)

    def patches(self, images: Array) -> Features:
        """Return the descriptions of the patches of images.

        Parameters
        ----------
        images : ndarray of shape (n, ...)

        Returns
        -------
        ndarray of shape (n, height, width, d)
        """
        return np.stack(self.map_patches(lambda x, grid: x.numpy().reshape(*grid, -1), images))

    def places_and_vectors(self, images: Array) -> tuple[Features, Features]:
        """Return the last layer of images and, as `vectors` does, its mean over the places.

        Parameters
        ----------
        images : ndarray of shape (n, ...)

        Returns
        -------
        places : ndarray of shape (n, height, width, d)
        vectors : ndarray of shape (n, d)
        """

        def work(image: Array) -> tuple[Array, Array]:
            layer = self._last_layer(image)
            return layer.permute(1, 2, 0).contiguous().numpy(), self.vector_of(layer)

        places, vectors = zip(*self._map(work, images), strict=True)
        return np.stack(places), np.stack(vectors)

    def vectors(self, images: Array) -> Features:
        """Return the vector of each image: the mean of the last layer.

        Parameters
        ----------
        images : ndarray of shape (n, ...)

        Returns
        -------
        ndarray of shape (n, d)
        """
        return np.stack(self._map(lambda image: self.vector_of(self._last_layer(image)), images))

    def map_features(self, runner: FeatureRunner, function: Callable[[dict[str, Tensor]], T], images: Array) -> list[T]:
        """Apply a function to the maps (C, h', w') of each image by layer, which a runner computes at the size for patches."""
        return self._map(lambda image: function(runner.features(self.input.prepare(image, self.input.size))), images)

    def describe(self, found: dict[str, Tensor]) -> tuple[Tensor, Size]:
        """Return the descriptions (places, d) of the patches of an image, given its feature maps, and the size of the grid."""
        places, grid = self._join(found)
        return self._describe(places), grid

    def vector_of(self, layer: Tensor) -> Array:
        """Return the vector (d,) of an image, given its map (C, h', w') of the last layer."""
        return np.asarray(self._checked(layer).mean(dim=(1, 2)).numpy())

    def _last_layer(self, image: Array) -> Tensor:
        """Return the map (C, h', w') of the last layer."""
        name = self.backbone.global_layer
        return self._checked(self._runner((name,)).features(self.input.prepare(image, self.input.global_size))[name])

    def _join(self, found: dict[str, Tensor]) -> tuple[Tensor, Size]:
        """Return the joined maps (places, d) of the layers of patches, and the size of the grid."""
        maps = [found[name][None] for name in self.layers]
        return self._checked(join_maps(maps, self.settings.pooling)[0]), finest_grid(maps)

    def _describe(self, places: Tensor) -> Tensor:
        """Whiten joined maps (places, d) and scale their lengths."""
        x = places if self._mean is None or self._matrix is None else (places - self._mean) @ self._matrix
        return self._checked(scale_lengths(x, self.settings.length))

    def _checked(self, features: Tensor) -> Tensor:
        """Return features after a check that they can be learned."""
        if not features.abs().max() <= _MAX_FEATURE:  # also where one is not a number
            raise InvalidInputError(
                f"The backbone {self.backbone.name} must compute numbers up to {_MAX_FEATURE:g}, got others for an image. Its "
                "weights are not those of a trained network: use other ones."
            )
        return features

    def _runner(self, layers: tuple[str, ...]) -> FeatureRunner:
        """Return the runner of some layers, created when it is needed first."""
        if layers not in self._runners:
            self._runners[layers] = FeatureRunner(self.backbone, layers, self.device, self.engine)
        return self._runners[layers]

    def _map(self, function: Callable[[Array], T], images: Array) -> list[T]:
        """Apply a function to each image, on several threads; on a GPU on one."""
        return map_images(lambda image, _: function(image), images, parallel=self.device == "cpu")

    # -- storage -----------------------------------------------------------------------------------------------------

    def _set_whitening(self, mean: Array | None, matrix: Array | None) -> None:
        self._mean = None if mean is None else torch.tensor(mean)
        self._matrix = None if matrix is None else torch.tensor(matrix)

    def __getstate__(self) -> dict[str, Any]:
        """Leave the runners out of copies: they are created when they are needed."""
        return self.__dict__ | {"_runners": {}}

    def state(self) -> State:
        """Return the fitted values as arrays.

        Returns
        -------
        dict of str to ndarray
            State that `restore` takes.
        """
        state = self.input.state() | {"onnxruntime": np.array(self.engine == "onnxruntime")}
        if self._mean is not None and self._matrix is not None:
            state |= {"mean": self._mean.numpy(), "matrix": self._matrix.numpy()}
        return state

    def restore(self, state: State) -> "FeatureExtractor":
        """Restore the fitted values.

        Parameters
        ----------
        state : dict of str to ndarray
            State that `state` returned, with an extractor of the same backbone and settings.

        Returns
        -------
        FeatureExtractor
            The extractor itself.

        Raises
        ------
        InvalidEntryError
            If an array is not one that `state` returns, or does not fit the backbone.
        """
        own: State = {name: state[name] for name in _ARRAYS if name in state}
        check_arrays(own, _ARRAYS, {"d": self.width("patches")})
        if ("mean" in state) != ("matrix" in state):
            raise InvalidEntryError("matrix", "must be there if and only if there is a mean")
        self.input = ImageInput.restore(
            {name: array for name, array in state.items() if name not in own}, self.settings
        )
        self._set_whitening(state.get("mean"), state.get("matrix"))
        stored: Engine = "onnxruntime" if state["onnxruntime"].item() else "torch"
        self.engine, self._runners = engine_or_torch(stored, self.backbone, self.device), {}
        return self
