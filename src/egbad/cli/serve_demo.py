"""The demo of `egbad serve`: a model of handwritten digits, and a queue of images to review."""

import io
import os
import sys
import time
import webbrowser
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import egbad
from egbad import datasets
from egbad.arrays import Array
from egbad.benchmark.protocols import one_against_one
from egbad.service.context import Service
from egbad.service.image_bodies import read_image_files
from egbad.service.records import make_items
from egbad.service.scoring import Piece, score_pieces
from egbad.service.store import Store

NAME = "digits"
_NORMAL, _ANOMALY = 5, 7
_TRAINING_IMAGES, _ANOMALIES = 400, 20
_CALIBRATION_FRACTION = 0.25  # a fine scale of p-values is worth more here than 60 more training images
_STEPS = 300
_DAYS = 7  # that the images are spread over
_READ_SECONDS = 60.0


@dataclass(frozen=True)
class ServeDemo:
    """Model of one digit, and images to review.

    Attributes
    ----------
    model : Path
    images : ndarray of uint8 of shape (n_images, 28, 28)
        Held-out images of the digit, and some of another one, in random order.
    """

    model: Path
    images: Array

    @classmethod
    def train(cls, folder: Path, *, seed: int = 0, steps: int = _STEPS, verbose: bool = True) -> "ServeDemo":
        """Fit EGBAD to images of one digit, and save the model.

        Parameters
        ----------
        folder : Path
            Folder of the model file.
        seed : int, default=0
        steps : int, default=300
            Training steps.
        verbose : bool, default=True
            Show progress on stderr.

        Returns
        -------
        ServeDemo

        Raises
        ------
        MissingExtraError
            If the images are not installed.
        """
        split = one_against_one(datasets.load("mnist5k"), _NORMAL, _ANOMALY, _TRAINING_IMAGES, seed)
        assert split.anomalous is not None
        detector = egbad.EGBAD(
            training=egbad.TrainingConfig(steps=steps),
            calibration_fraction=_CALIBRATION_FRACTION,
            alpha=0.05,
            random_state=seed,
            verbose=verbose,
        ).fit(split.x_train)
        path = folder / f"{NAME}.egbad"
        detector.save(path)
        return cls(path, split.x_test[_choose(split.anomalous, seed)])

    def fill(self, service: Service, store: Store, now: datetime | None = None) -> int:
        """Score the images and store them, as if they had come during the last week.

        Parameters
        ----------
        service : Service
            Serves the model.
        store : Store
        now : datetime, optional
            Time of the last image.

        Returns
        -------
        int
            Number of flagged images.
        """
        model, end = service.registry.find(NAME), now or datetime.now(UTC)
        names = [f"image {i:03}" for i in range(1, len(self.images) + 1)]
        contents, deadline = [_png(image) for image in self.images], time.monotonic() + _READ_SECONDS
        submission = read_image_files(model.reader, contents, deadline, names)
        scored = score_pieces(model.scorer, model.threshold, [Piece(data) for data in submission.pieces])
        items = make_items(model, submission, scored, "demo", service.keep)
        step = timedelta(days=_DAYS) / len(items)
        store.append([replace(item, time=end - step * (len(items) - i)) for i, item in enumerate(items, 1)]).result()
        return sum(item.flagged for item in items)


def _choose(anomalous: NDArray[np.bool_], seed: int) -> NDArray[np.intp]:
    """Return the positions of all normal images and of some anomalies, in random order."""
    rng = np.random.default_rng(seed)
    anomalies = rng.permutation(np.flatnonzero(anomalous))[:_ANOMALIES]
    return rng.permutation(np.concatenate([np.flatnonzero(~anomalous), anomalies]))


def _png(image: Array) -> bytes:
    """Encode a grey image of 8 bits."""
    file = io.BytesIO()
    Image.fromarray(np.asarray(image, dtype=np.uint8)).save(file, "PNG")
    return file.getvalue()


def page_address(host: str, port: int) -> str:
    """Return the address of the review page for a browser on this machine.

    Parameters
    ----------
    host : str
        Address that the service listens on.
    port : int

    Returns
    -------
    str

    Examples
    --------
    >>> page_address("0.0.0.0", 8080), page_address("::1", 80)
    ('http://127.0.0.1:8080/review', 'http://[::1]:80/review')
    """
    name = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://{f'[{name}]' if ':' in name else name}:{port}/review"


def open_browser(address: str, environment: Mapping[str, str] = os.environ, platform: str = sys.platform) -> bool:
    """Open a page in a browser with windows.

    Parameters
    ----------
    address : str
    environment : mapping of str to str
    platform : str

    Returns
    -------
    bool
        False where there is none. Browsers for the terminal, which the log would write over, are not used.
    """
    if platform.startswith("linux") and not {"DISPLAY", "WAYLAND_DISPLAY"} & environment.keys():
        return False
    try:
        return webbrowser.open(address)
    except webbrowser.Error:
        return False
