"""Loading of fitted detectors, from files and from the Hugging Face Hub."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

from egbad.errors import EgbadError, InvalidInputError, UnreadableFileError, require_extra, shorten
from egbad.export.onnx_file import SUFFIX
from egbad.export.onnx_scorer import OnnxScorer

if TYPE_CHECKING:
    from egbad.detectors.base import Detector
    from egbad.nn.network_factory import NetworkFactory

HUB_FILE = "model.egbad"  # name of the model file in a repository of the Hub
_MAX_REASON = 300  # characters of an error of the Hub
# A path object turns two slashes into one.
_HUB_ADDRESS = re.compile(r"hf:/{1,2}(?P<repository>[\w.-]+/[\w.-]+)(@(?P<revision>[\w./-]+))?")


def local_path(path: str | os.PathLike[str]) -> str:
    """Return the path of a model file on this machine, after a download if it is one of the Hugging Face Hub.

    Parameters
    ----------
    path : path-like
        A path, or ``"hf://owner/name"`` or ``"hf://owner/name@revision"``. A download is kept in the cache of
        huggingface_hub, and made again only where the file has changed.

    Returns
    -------
    str

    Raises
    ------
    UnreadableFileError
        If there is no such repository, revision or file, or the Hub cannot be reached and the cache has no copy.
    MissingExtraError
        If huggingface_hub is not installed.

    Examples
    --------
    >>> local_path("models/tiles.egbad")
    'models/tiles.egbad'
    """
    given = os.fspath(path)
    address = _HUB_ADDRESS.fullmatch(given)
    if address is None:
        return given
    require_extra("Loading from the Hugging Face Hub", "hub", "huggingface_hub")
    shown = "hf://" + given.removeprefix("hf:").lstrip("/")
    with hub_errors(UnreadableFileError, f"'{shown}' cannot be downloaded"):
        hub = import_module("huggingface_hub")
        return str(hub.hf_hub_download(address["repository"], HUB_FILE, revision=address["revision"]))


@contextmanager
def hub_errors(kind: type[EgbadError], failure: str) -> Iterator[None]:
    """Raise errors of huggingface_hub and of its HTTP client in a `with` block as errors of egbad.

    Parameters
    ----------
    kind : type of EgbadError
    failure : str
        Beginning of the message, which the reason follows.

    Raises
    ------
    EgbadError
        Of this kind.
    """
    try:
        yield
    except (import_module("huggingface_hub.errors").HTTPError, OSError, ValueError) as error:
        raise kind(f"{failure}: {shorten(' '.join(str(error).split()), _MAX_REASON)}") from error


def load(path: str | os.PathLike[str], *, networks: "NetworkFactory | None" = None) -> "Detector[Any] | OnnxScorer":
    """Load a fitted detector from a file.

    Loading never runs code from the file.

    Parameters
    ----------
    path : path-like
        A model file that `detector.save` or ``egbad fit`` wrote, an ONNX file (``.onnx``) that `egbad.export.export` or
        ``egbad export`` wrote, or ``"hf://owner/name@revision"`` for a model on the Hugging Face Hub.
    networks : callable, optional
        The function `networks` that the detector in a model file was created with. The file holds the weights only.

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
    InvalidInputError
        If the detector has networks of your own and `networks` is missing, or the other way round.

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
    path = local_path(path)
    if path.lower().endswith(SUFFIX):
        if networks is not None:
            raise InvalidInputError(f"{path} is an ONNX file, which contains its networks. Load it without networks.")
        return OnnxScorer(path)
    from egbad.detectors import registry  # imports torch, which an ONNX file does not need

    return registry.load(path, networks=networks)
