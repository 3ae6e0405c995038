"""Normal images that are most like an image: those that the model keeps, or those in the store."""

import io
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from egbad.arrays import Floats
from egbad.data import Data
from egbad.errors import EgbadError, InvalidInputError
from egbad.explain.exemplars import nearest_positions
from egbad.export.onnx_scorer import OnnxScorer
from egbad.plot.pixels import png_data_uri, to_channels_first, to_pixels
from egbad.service.image_bodies import read_image_files
from egbad.service.models import ServedModel
from egbad.service.pages.pictures import thumbnail
from egbad.service.pages.texts import Texts
from egbad.service.problems import ProblemError
from egbad.service.store import ItemFilter, Store, StoredItem

_SHOWN = 3
_CANDIDATES = 100  # newest normal images of the store that are compared
_COMPARED_SIDE = 32  # pixels of images that are compared by their pixels
_LONGEST_SIDE = 512  # pixels of a picture
_PART_OF_TIME = 0.5  # of what is left until the deadline, for decoding and describing images of the store


@dataclass(frozen=True)
class NormalImage:
    """A normal image as the page of an item shows it.

    Attributes
    ----------
    caption, address : str
        Address of the picture, or the picture itself as a data URI.
    item_id : int or None
        Item of the store that it is.
    """

    caption: str
    address: str
    item_id: int | None = None


def nearest_normal(
    model: ServedModel, stored: StoredItem, data: Data, store: Store, text: Texts, deadline: float
) -> tuple[NormalImage, ...]:
    """Return the normal images most like the image of an item, the best first.

    Training images that the model keeps come first. Where it keeps none, these are images of the store that were dismissed, or
    neither flagged nor reviewed. They are compared by the features that the model describes images by, or by their pixels.

    Parameters
    ----------
    model : ServedModel
    stored : StoredItem
        With its image.
    data : Data
        The image as the model reads it.
    store : Store
    text : Texts
    deadline : float
        Time of `time.monotonic`.

    Returns
    -------
    tuple of NormalImage
        None if neither the model nor the store keeps any.
    """
    if not isinstance(model.scorer, OnnxScorer) and getattr(model.scorer, "exemplars_", None) is not None:
        return _of_model(model.scorer, data, text)
    where = ItemFilter(model=model.name, digests=model.digests)
    found = [
        other
        for other in store.normal(where, _CANDIDATES)
        if other.id != stored.id and (other.item.media_type or "").startswith("image/")
    ]
    if not found:
        return ()
    positions = _nearest(model, stored, found, time.monotonic() + _PART_OF_TIME * (deadline - time.monotonic()))
    return tuple(
        NormalImage(
            text("nearest_kept", key=found[i].item.key or text("unnamed", id=found[i].id)),
            f"/review/items/{found[i].id}/image",
            found[i].id,
        )
        for i in positions
    )


def _of_model(scorer: Any, data: Data, text: Texts) -> tuple[NormalImage, ...]:
    """Return the training images that the model keeps, all on one scale of brightness."""
    try:
        images = scorer.nearest_exemplars(data, _SHOWN)[0]
    except InvalidInputError:  # images of another size than those that were kept
        return ()
    low, high = float(scorer.exemplars_.min()), float(scorer.exemplars_.max())
    shown = []
    for i, image in enumerate(images, 1):
        pixels = to_pixels(to_channels_first(np.asarray(image)[None])[0], low, high)
        step = -(-max(pixels.shape[:2]) // _LONGEST_SIDE)
        uri = png_data_uri(np.ascontiguousarray(pixels[::step, ::step]))
        shown.append(NormalImage(text("nearest_training", n=i), uri))
    return tuple(shown)


def _nearest(model: ServedModel, stored: StoredItem, found: Sequence[StoredItem], deadline: float) -> list[int]:
    """Return the positions of the images of the store that are most like an image, as many as the time allows to compare."""
    own = _describe(model, stored.item.payload or b"", deadline)
    rows, positions = list[Floats](), list[int]()
    for i, other in enumerate(found):
        if time.monotonic() > deadline:
            break
        try:
            rows.append(_describe(model, other.item.payload or b"", deadline))
        except (EgbadError, ProblemError):  # an image that was damaged, or of a type that this version does not read
            continue
        positions.append(i)
    if not rows:
        return []
    return [positions[place] for place in nearest_positions(own[None], np.stack(rows), _SHOWN)[0].tolist()]


def _describe(model: ServedModel, content: bytes, deadline: float) -> Floats:
    """Return an image by the model's features, or by its pixels at a small size."""
    if model.describes_images:
        data = read_image_files(model.reader, [content], deadline).pieces[0]
        return np.asarray(model.scorer.image_features(data)[0], dtype=np.float64)
    picture = thumbnail(content, model.reader.settings.max_pixels, _LONGEST_SIDE)
    small = Image.open(io.BytesIO(picture)).convert("L").resize((_COMPARED_SIDE, _COMPARED_SIDE))
    return np.asarray(small, dtype=np.float64)
