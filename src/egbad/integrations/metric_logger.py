"""`MetricLogger`: base class of callbacks that log training as numbers with names."""

import re
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np

from egbad.arrays import Floats
from egbad.errors import InvalidInputError, check_count
from egbad.plot.pixels import Pixels, check_images, to_pixels
from egbad.training import Callback, TrainingProgress

_NAME = re.compile(r"[\w.-][\w. -]*")  # what all trackers accept, without "/", which groups names
_HIGH = 0.95  # quantile of scores that is logged beside the median
_MAX_IMAGES, _MIN_SIDE = 16, 48  # images that are logged, and pixels of a side, below which they are enlarged


class MetricLogger(Callback):
    """Base class of loggers. A logger defines `log`, and `log_image` and `log_result` if it can.

    Every `every` steps these numbers are logged, for an ensemble the mean over members and each member, such as
    "loss/D/member_0":

    - "loss/PLAYER" and "gradient_norm/PLAYER" of the last update;
    - "learning_rate";
    - "validation_loss", once early stopping has checked it.

    Every `callback_interval` steps "score/NAME/median" and "score/NAME/quantile_95" of the anomaly scores of `scores` are logged,
    and the image "reconstructions". At the end "threshold", "training_rows" and "fit_seconds".

    Parameters
    ----------
    every : int, default=10
        Steps between two logs.
    scores : mapping of str to array-like, optional
        Rows or images to score at every look, by name. A few hundred are enough.
    images : images of shape (n_samples, [channels,] height, width), optional
        Up to 16 images of one size to reconstruct at every look, for detectors with `reconstruct`.

    Raises
    ------
    InvalidInputError
        If `every` is less than 1, a name has other characters than letters, digits, spaces, "_", "-" and ".", or `images` are no
        images.
    """

    def __init__(self, *, every: int = 10, scores: Mapping[str, Any] | None = None, images: Any = None) -> None:
        check_count("every", every)
        for name in scores or ():
            if not isinstance(name, str) or not _NAME.fullmatch(name):
                raise InvalidInputError(
                    f"Names of scores must have letters, digits, spaces, '_', '-' and '.' only, got {name!r}."
                )
        self.every, self.scores, self.images = every, dict(scores or {}), images
        self._pixels = None if images is None else check_images("images", images, _MAX_IMAGES)

    @abstractmethod
    def log(self, metrics: Mapping[str, float], step: int) -> None:
        """Log numbers.

        Parameters
        ----------
        metrics : mapping of str to float
            Values that are not finite are included.
        step : int
        """

    def log_image(self, name: str, pixels: Pixels, step: int) -> None:
        """Log an image. By default nothing is done.

        Parameters
        ----------
        name : str
        pixels : ndarray of uint8 of shape (h, w, 3)
        step : int
        """

    def log_result(self, parameters: Mapping[str, str], metrics: Mapping[str, float], detector: Any) -> None:
        """Log parameters and results of a fit. By default nothing is done.

        Parameters
        ----------
        parameters : mapping of str to str
            Parameters of the detector that are not None.
        metrics : mapping of str to float
        detector : Detector
        """

    def on_step(self, progress: TrainingProgress) -> None:
        """Log losses, gradient norms, learning rate and validation loss, every `every` steps."""
        if progress.step % self.every:
            return
        metrics = {"learning_rate": progress.learning_rate}
        for kind, by_player in (("loss", progress.losses), ("gradient_norm", progress.gradient_norms)):
            for player, values in by_player.items():
                metrics |= _by_member(f"{kind}/{player}", values)
        validation_loss = progress.validation_loss
        if validation_loss is not None:
            metrics |= _by_member("validation_loss", validation_loss)
        self.log(metrics, progress.step)

    def on_look(self, progress: TrainingProgress, detector: Any) -> None:
        """Log scores of rows, and reconstructions of images."""
        metrics: dict[str, float] = {}
        for name, X in self.scores.items():
            scores = detector.anomaly_score(X)
            metrics[f"score/{name}/median"] = float(np.median(scores))
            metrics[f"score/{name}/quantile_95"] = float(np.quantile(scores, _HIGH))
        if metrics:
            self.log(metrics, progress.step)
        if self._pixels is not None and hasattr(detector, "reconstruct"):
            redrawn = check_images("reconstructions", detector.reconstruct(self.images), _MAX_IMAGES)
            self.log_image("reconstructions", image_rows(self._pixels, redrawn), progress.step)

    def on_end(self, detector: Any) -> None:
        """Log parameters, threshold, number of training rows and duration."""
        parameters = {name: str(value) for name, value in detector.get_params().items() if value is not None}
        metrics = {
            "threshold": float(detector.threshold_),
            "training_rows": float(detector.n_train_),
            "fit_seconds": float(detector.fit_seconds_),
        }
        self.log_result(parameters, metrics, detector)


def image_rows(images: Floats, redrawn: Floats) -> Pixels:
    """Return one picture of images, their reconstructions and the sizes of the differences, in three lines.

    Images and reconstructions share the scale of the images; differences are white where they are as large as its range.

    Parameters
    ----------
    images, redrawn : ndarray of shape (n, c, h, w)

    Returns
    -------
    ndarray of uint8 of shape (3 * height, n * width, 3)
        Small images are enlarged by a whole factor.
    """
    low, high = float(images.min()), float(images.max())
    lines = [
        [to_pixels(one, *levels) for one in part]
        for part, levels in (
            (images, (low, high)),
            (redrawn, (low, high)),
            (np.abs(images - redrawn).mean(axis=1, keepdims=True), (0.0, high - low)),
        )
    ]
    joined = np.concatenate([np.concatenate([_rgb(one) for one in line], axis=1) for line in lines])
    factor = max(1, -(-_MIN_SIDE // max(images.shape[2:])))
    enlarged: Pixels = joined.repeat(factor, axis=0).repeat(factor, axis=1)
    return enlarged


def _by_member(name: str, values: Floats) -> dict[str, float]:
    """Return the mean of values (n_members,) by a name, and with several members each by a name of its own."""
    finite = values[np.isfinite(values)]
    metrics = {name: float(finite.mean()) if len(finite) else float("nan")}
    if len(values) > 1:
        metrics |= {f"{name}/member_{member}": float(value) for member, value in enumerate(values)}
    return metrics


def _rgb(pixels: Pixels) -> Pixels:
    """Return pixels (h, w) or (h, w, 3) as (h, w, 3)."""
    return pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)
