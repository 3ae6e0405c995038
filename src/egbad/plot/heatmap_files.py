"""Folders of heatmaps: for each image of a stream an overlay, and the map as 16-bit PNG."""

import json
from pathlib import Path, PurePath
from typing import Any

import numpy as np
from PIL import Image

from egbad.arrays import Array, Floats
from egbad.data import Data
from egbad.data.images import IMAGE_SUFFIXES
from egbad.output_files import atomic_write, write_text
from egbad.plot.heatmaps import heatmap
from egbad.scoring.score_maps import score_with_maps

OVERLAYS, MAPS, SCALE = "overlays", "maps", "scale.json"
_FORMAT = 1
_LARGEST = 65535
_BELOW, _ABOVE = 2, 14  # spans between an ordinary pixel and the threshold that stored maps reach below and above


class HeatmapFolder:
    """Overlays and maps of images, in the folders `overlays` and `maps`, named like the images.

    A map is a grey PNG of 16 bits with one scale for all images: ``value = value_of_0 + step * pixel``. `scale.json` holds these
    numbers, the pixel threshold, and the scale of the colours of the overlays. Files that exist are kept.

    Parameters
    ----------
    folder : Path
        Existing folder.
    detector : Detector
        Has `score_terms_and_maps`, and levels of the maps of normal images.
    alpha : float, optional
        Share of normal images that have a pixel above the threshold. By default that of the detector.
    """

    def __init__(self, folder: Path, detector: Any, alpha: float | None = None) -> None:
        self.folder, self.detector = folder, detector
        self.threshold, self.scale = detector.pixel_threshold(alpha), detector.map_scale(alpha)
        span = (self.scale[1] - self.scale[0]) / 2
        self.zero, self.step = self.scale[0] - _BELOW * span, (_BELOW + _ABOVE) * span / _LARGEST
        about = {
            "format": _FORMAT,
            "value_of_0": self.zero,
            "step": self.step,
            "pixel_threshold": self.threshold,
            "alpha": detector.alpha if alpha is None else alpha,
            "colours": list(self.scale),
        }
        write_text(folder / SCALE, json.dumps(about, indent=2) + "\n")

    def score_terms(self, batch: Data) -> dict[str, Floats]:
        """Return the score terms of a batch, and write its heatmaps, image by image, without those that exist.

        Parameters
        ----------
        batch : Data
            Images.

        Returns
        -------
        dict of str to ndarray of shape (n_samples,)

        Raises
        ------
        EgbadError
            If a file cannot be written.
        """
        names = [PurePath(name) for name in file_names(batch)]
        missing = np.array([not all(path.exists() for path in self._paths(name)) for name in names], dtype=np.bool_)

        def write(i: int, anomaly_map: Floats) -> None:
            overlay, raw = self._paths(names[i])
            drawn = heatmap(batch.x[i], anomaly_map, scale=self.scale, threshold=self.threshold, levels=self._levels())
            _save(drawn, overlay)
            _save(Image.fromarray(self.encode(anomaly_map)), raw)

        return score_with_maps(self.detector, batch, missing, write)

    def encode(self, anomaly_map: Floats) -> Array:
        """Return a map as whole numbers of 16 bits.

        Parameters
        ----------
        anomaly_map : ndarray of shape (h, w)

        Returns
        -------
        ndarray of uint16 of shape (h, w)
            Values beyond the scale are clipped.
        """
        return np.asarray(np.rint((anomaly_map - self.zero) / self.step).clip(0, _LARGEST), dtype=np.uint16)

    def _paths(self, name: PurePath) -> tuple[Path, Path]:
        """Return the paths of overlay and map of an image."""
        return self.folder / OVERLAYS / name, self.folder / MAPS / name

    def _levels(self) -> tuple[float, float] | None:
        """Return the values of measurements, such as temperatures, that are black and white in all overlays."""
        scale = self.detector.pixel_scale_
        return None if scale is None or scale.white is not None else (scale.low, scale.high)


def file_names(batch: Data) -> list[str]:
    """Return the names of the heatmaps of images: their paths, with the suffix ".png".

    Other suffixes are kept, so that no two images share a name. Images without a file are named by their position.

    Parameters
    ----------
    batch : Data

    Returns
    -------
    list of str
        Relative paths.

    Examples
    --------
    >>> import numpy as np
    >>> file_names(Data(np.zeros((3, 8, 8)), files=("crack/1.png", "1.jpg", "1.jpg.png")))
    ['crack/1.png', '1.jpg.png', '1.jpg.png.png']
    >>> file_names(Data(np.zeros((2, 8, 8)), first_row=9))
    ['000009.png', '000010.png']
    """
    if batch.files is None:
        return [f"{batch.first_row + i:06}.png" for i in range(len(batch.x))]
    return [heatmap_name(file) for file in batch.files]


def heatmap_name(file: str) -> str:
    """Return the name of the heatmap of an image, see `file_names`.

    Parameters
    ----------
    file : str
        Path of the image.

    Returns
    -------
    str
    """
    path = PurePath(file)
    inside = PurePath(*(part for part in path.parts if part not in ("..", path.anchor)))
    is_own = inside.suffix == ".png" and PurePath(inside.stem).suffix.lower() not in IMAGE_SUFFIXES
    return str(inside) if is_own else f"{inside}.png"


def _save(image: Image.Image, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as draft:
        image.save(draft, format="PNG")
