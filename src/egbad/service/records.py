"""Answers as items of the store, and what the service asks of a store."""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from datetime import UTC, datetime
from typing import Protocol

from egbad.service.bodies import Submission
from egbad.service.models import ServedModel
from egbad.service.scoring import Scored
from egbad.service.store import ScoredItem

KEEP = ("none", "flagged", "all")


class RecordStore(Protocol):
    """Store of answers."""

    def append(self, items: Iterable[ScoredItem]) -> "Future[None]":
        """Store items. The future ends when they are committed, or with a `StoreError`."""


def make_items(
    model: ServedModel, submission: Submission, scored: Sequence[Scored], request_id: str, keep: str
) -> list[ScoredItem]:
    """Return one item for each row of an answer.

    Parameters
    ----------
    model : ServedModel
    submission : Submission
    scored : sequence of Scored
        One for each piece of the submission.
    request_id : str
    keep : {"none", "flagged", "all"}
        Rows and images to keep beside their scores.

    Returns
    -------
    list of ScoredItem
    """
    now, alpha, payload = datetime.now(UTC), float(model.scorer.alpha), submission.payload
    items = []
    for i, (score, p_value, flagged) in enumerate(_rows(scored)):
        kept = payload is not None and (keep == "all" or (keep == "flagged" and flagged))
        content, media_type = payload(i) if kept and payload is not None else (None, None)
        names = submission.repeated[i] if submission.repeated else {}
        key = next((str(value) for value in names.values() if value is not None), None)
        items.append(
            ScoredItem(
                time=now,
                request_id=request_id,
                model=model.name,
                version=model.version,
                digest=model.digest,
                key=key,
                score=score,
                p_value=p_value,
                flagged=flagged,
                alpha=alpha,
                payload=content,
                media_type=media_type,
            )
        )
    return items


def _rows(scored: Sequence[Scored]) -> Iterator[tuple[float, float, bool]]:
    for one in scored:
        yield from zip(one.scores.tolist(), one.p_values.tolist(), one.flagged.tolist(), strict=True)
