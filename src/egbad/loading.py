"""Loading of fitted detectors."""

import os
from typing import TYPE_CHECKING, Any

from egbad.export.onnx_file import SUFFIX
from egbad.export.onnx_scorer import OnnxScorer

if TYPE_CHECKING:
    from egbad.detectors.base import Detector


def load(path: str | os.PathLike[str]) -> "Detector[Any] | OnnxScorer":
    """Load a fitted detector from a file.

    Loading never runs code from the file.

    Parameters
    ----------
    path : path-like
        A model file that `detector.save` or ``egbad fit`` wrote, or an ONNX file (``.onnx``) that `egbad.export.export` or
        ``egbad export`` wrote.

    Returns
    -------
    Detector or OnnxScorer
        The detector with the same scores, threshold and explanations as the one that was saved. An ONNX file is loaded as
        an `OnnxScorer`, which scores without torch, has no `fit`, and explains only images that it reconstructs.

    Raises
    ------
    UnreadableFileError
        If the file is missing, is not a model, is damaged, has a newer format, or contains an unknown detector.
    MissingExtraError
        If the file is an ONNX file and onnxruntime is not installed.

    See Also
    --------
    egbad.export.export : Writes an ONNX file.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from egbad import EGBAD, TrainingConfig, load
    >>> X = np.random.default_rng(0).normal(size=(200, 4))
    >>> detector = EGBAD(training=TrainingConfig(steps=5), alpha=0.1, random_state=0).fit(X)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     detector.save(f"{folder}/model.egbad")
    ...     loaded = load(f"{folder}/model.egbad")
    >>> bool((loaded.anomaly_score(X) == detector.anomaly_score(X)).all())
    True
    """
    if str(path).lower().endswith(SUFFIX):
        return OnnxScorer(path)
    from egbad.detectors import registry  # imports torch, which an ONNX file does not need

    return registry.load(path)
