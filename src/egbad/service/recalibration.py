"""Recalibration of a served model by the normal rows or images that the store keeps."""

import time

from egbad.data import Data
from egbad.data.ragged import ragged_array
from egbad.errors import InvalidInputError
from egbad.export.onnx_scorer import OnnxScorer
from egbad.report.messages import percent
from egbad.scoring import calibration
from egbad.service.image_bodies import read_image_files
from egbad.service.json_bodies import read_json_rows
from egbad.service.model_loader import ModelLoader
from egbad.service.models import ServedModel
from egbad.service.pages.texts import Texts
from egbad.service.pages.views import parse_row
from egbad.service.store import ItemFilter, Store

MOST = 1_000  # normal rows or images
_MAX_BYTES = 128 * 2**20  # of them
_SECONDS = 120.0  # for decoding


def refuse_recalibration(model: ServedModel, n: int, alpha: float, text: Texts) -> str:
    """Return why a model cannot be recalibrated, empty if it can.

    Parameters
    ----------
    model : ServedModel
    n : int
        Number of normal rows or images.
    alpha : float
    text : Texts

    Returns
    -------
    str
        A sentence.
    """
    if isinstance(model.scorer, OnnxScorer):
        return text("recalibrate_exported")
    if n == 0:
        return text("recalibrate_none")
    if n < (required := calibration.required_rows(alpha)):
        return text("recalibrate_few", alpha=percent(alpha), n=f"{required:,}", found=f"{n:,}")
    return ""


def count_normal(model: ServedModel, store: Store) -> int:
    """Count the kept rows or images that count as normal.

    Parameters
    ----------
    model : ServedModel
    store : Store

    Returns
    -------
    int
        0 if only flagged ones are kept: those that were dismissed are the strangest of the normal ones.
    """
    where = ItemFilter(model=model.name, digests=model.digests)
    return store.count_normal(where) if next(store.unflagged(where, 1), None) else 0


def _kept_normal(model: ServedModel, store: Store) -> list[bytes]:
    """Return the newest rows or images that count as normal: dismissed, or neither flagged nor reviewed.

    Parameters
    ----------
    model : ServedModel
    store : Store

    Returns
    -------
    list of bytes
        At most 1,000, and at most 128 MiB.
    """
    contents, size = list[bytes](), 0
    limit = min(MOST, model.reader.settings.max_rows) if count_normal(model, store) else 0
    for stored in store.normal(ItemFilter(model=model.name, digests=model.digests), limit):
        size += len(stored.item.payload or b"")
        if size > _MAX_BYTES:
            break
        contents.append(stored.item.payload or b"")
    return contents


def recalibrated(loader: ModelLoader, model: ServedModel, store: Store, alpha: float, text: Texts) -> ServedModel:
    """Return a model whose threshold and p-values are set anew by the normal rows or images that are kept.

    Parameters
    ----------
    loader : ModelLoader
    model : ServedModel
        Is not changed.
    store : Store
    alpha : float
        False-alarm rate, in (0, 1).
    text : Texts

    Returns
    -------
    ServedModel

    Raises
    ------
    InvalidInputError
        If there are too few rows, the model is an exported graph, or a row does not match it.
    """
    contents = _kept_normal(model, store)
    if problem := refuse_recalibration(model, len(contents), alpha, text):
        raise InvalidInputError(problem)
    return loader.recalibrate(model, _read(model, contents), alpha)


def _read(model: ServedModel, contents: list[bytes]) -> Data:
    """Return kept rows or images as the model reads them."""
    if model.scorer.kind_ == "rows":
        return read_json_rows(model.reader, [parse_row(content) for content in contents]).pieces[0]
    pieces = read_image_files(model.reader, contents, time.monotonic() + _SECONDS).pieces
    return pieces[0] if len(pieces) == 1 else Data(ragged_array([image for piece in pieces for image in piece.x]))
