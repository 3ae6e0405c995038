"""Sharing of models on the Hugging Face Hub.

`push_to_hub` uploads a model file with a card. ``egbad.load("hf://owner/name@revision")`` and all commands that take a model
file download it.
"""

from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from egbad.detectors.base import Detector
from egbad.errors import EgbadError, InvalidInputError, require_extra, shorten
from egbad.loading import HUB_FILE, hub_errors

_MOST_COLUMNS = 100  # that a card lists
_ADDRESS = "OWNER/NAME"


def push_to_hub(
    detector: Detector[Any],
    repository: str,
    *,
    revision: str | None = None,
    private: bool | None = None,
    licence: str | None = None,
    message: str = "Add a model of egbad",
    token: str | None = None,
    endpoint: str | None = None,
) -> str:
    """Upload a fitted detector to the Hugging Face Hub, as a model file and a card, in one commit.

    The model file holds what `save` writes: maybe training rows or images, see `n_exemplars`.

    Parameters
    ----------
    detector : Detector
        Fitted detector.
    repository : str
        ``"owner/name"``. It is created if it does not exist.
    revision : str, optional
        Branch that receives the commit. By default the main one.
    private : bool, optional
        Whether a new repository is private. By default as the owner has set it.
    licence : str, optional
        Licence of the model as the Hub names it, for example ``"apache-2.0"``.
    message : str, default="Add a model of egbad"
        Message of the commit.
    token : str, optional
        Token with the right to write. By default the one of ``hf auth login`` or the environment variable HF_TOKEN.
    endpoint : str, optional
        Address of the Hub. By default the public one, or the environment variable HF_ENDPOINT.

    Returns
    -------
    str
        Identifier of the commit, which `egbad.load` takes as a revision.

    Raises
    ------
    InvalidInputError
        If the repository is not of the form ``"owner/name"``, or the detector cannot be saved.
    EgbadError
        If the Hub refuses the upload or cannot be reached.
    MissingExtraError
        If huggingface_hub is not installed.

    Examples
    --------
    >>> push_to_hub(detector, "acme/tiles", private=True)  # doctest: +SKIP
    '4f2c0c6e0d1a...'
    >>> egbad.load("hf://acme/tiles")  # doctest: +SKIP
    """
    require_extra("push_to_hub", "hub", "huggingface_hub")
    if repository.count("/") != 1 or not all(repository.split("/")):
        raise InvalidInputError(f"repository must be {_ADDRESS}, got '{shorten(repository)}'.")
    hub = import_module("huggingface_hub")
    api = hub.HfApi(endpoint=endpoint, token=token)
    with TemporaryDirectory(prefix="egbad-") as folder:
        path = Path(folder, HUB_FILE)
        detector.save(path)
        card = model_card(detector, repository, licence=licence).encode()
        with hub_errors(EgbadError, f"The model could not be uploaded to '{repository}'"):
            api.create_repo(repository, private=private, exist_ok=True)
            operations = [hub.CommitOperationAdd(HUB_FILE, path), hub.CommitOperationAdd("README.md", card)]
            commit = api.create_commit(repository, operations, commit_message=message, revision=revision)
    return str(commit.oid)


def model_card(detector: Detector[Any], repository: str = _ADDRESS, *, licence: str | None = None) -> str:
    """Return the card of a fitted detector: what it is, what it expects, and how to use it.

    Parameters
    ----------
    detector : Detector
        Fitted detector.
    repository : str
        ``"owner/name"``, for the code that loads it.
    licence : str, optional

    Returns
    -------
    str
        Markdown with a header that the Hub reads.

    Examples
    --------
    >>> import numpy as np
    >>> from egbad.detectors import KNN
    >>> card = model_card(KNN(alpha=0.2).fit(np.random.default_rng(0).normal(size=(50, 2))), "acme/pumps")
    >>> card.splitlines()[5:7]
    ['---', '']
    """
    found = detector.describe()
    header = ["---", "library_name: egbad", "tags:", "- anomaly-detection", f"- {detector.name}"]
    header += [f"license: {licence}"] if licence else []
    lines = [*header, "---", "", f"# {repository.rpartition('/')[2]}", "", *_introduction(detector, found), ""]
    lines += ["```python", "import egbad", "", f'detector = egbad.load("hf://{repository}")']
    lines += ["scores = detector.anomaly_score(X)", "flags = detector.predict(X)  # -1 for anomalies", "```", ""]
    lines += ["| fact | value |", "| --- | --- |", *(f"| {name} | {value} |" for name, value in _facts(found)), ""]
    return "\n".join([*lines, *_input_lines(found)])


def _introduction(detector: Detector[Any], found: Mapping[str, Any]) -> Iterator[str]:
    """Yield what the model is."""
    what = "rows of tables" if detector.kind_ == "rows" else "images"
    yield f"A detector of anomalies in {what}, fitted with egbad (`pip install egbad`)."
    yield ""
    yield (
        f"A higher score is more anomalous. About {100 * found['false_alarm_rate']:.3g} percent of normal {what} like those that "
        "set the threshold are flagged. Recalibrate the model before it is used where the data differs."
    )


def _facts(found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield names and values for the table."""
    given = {name: value for name, value in found["parameters"].items() if value not in (None, False)}
    given = {name: value for name, value in given.items() if name not in ("alpha", "device", "random_state", "verbose")}
    yield "detector", f"`{found['detector']}`"
    yield "parameters", _cell(", ".join(f"{name}={value}" for name, value in given.items()))
    yield "training rows or images", f"{found['training_rows']:,}"
    yield "calibration rows or images", f"{found['calibration_rows']:,}"
    yield "alpha", f"{found['parameters']['alpha']:g}"
    yield "threshold", f"{found['threshold']:.6g}"
    yield "seed", str(found["seed"])
    yield "versions", _cell(", ".join(f"{name} {version}" for name, version in found["versions"].items()))


def _input_lines(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield the columns with their types, or the shape of images."""
    source = found["input"]
    types = source.get("column_types")
    if not types:
        yield f"Input: {source['kind']} of shape {' x '.join(map(str, source['shape']))}."
        yield ""
        return
    yield from ("## Columns", "", "| column | type |", "| --- | --- |")
    for name, kind in [*types.items()][:_MOST_COLUMNS]:
        yield f"| {_cell(name)} | {_cell(kind)} |"
    if len(types) > _MOST_COLUMNS:
        yield f"| and {len(types) - _MOST_COLUMNS:,} more | |"
    yield ""


def _cell(text: object) -> str:
    """Return text as code in a cell of a table."""
    plain = " ".join(str(text).replace("|", "\\|").replace("`", "'").split())
    return f"`{plain}`" if plain else ""
