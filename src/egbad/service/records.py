"""Records of answers, and what the service asks of a store."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from egbad.service.bodies import Submission
from egbad.service.models import ServedModel
from egbad.service.scoring import Scored

KEEP = ("none", "flagged", "all")


@dataclass(frozen=True)
class Record:
    """Score of one row or image, as it is stored.

    Attributes
    ----------
    time : datetime
        With a time zone.
    request_id, model, version, digest : str
    key : str, optional
        The id of the row.
    score : float
    p_value : float, optional
    flagged : bool
    alpha : float
    payload : bytes, optional
        The row as JSON, or the file of the image.
    media_type : str, optional
        Media type of the payload.
    """

    time: datetime
    request_id: str
    model: str
    version: str
    digest: str
    key: str | None
    score: float
    p_value: float | None
    flagged: bool
    alpha: float
    payload: bytes | None
    media_type: str | None


class RecordStore(Protocol):
    """Store of answers."""

    def append(self, items: Sequence[Any], /) -> "Future[None]":
        """Store records. The future ends when they are committed, or with an `EgbadError`."""

    def close(self) -> None:
        """Store what was appended, and release everything."""


def make_records(
    model: ServedModel, submission: Submission, scored: Sequence[Scored], request_id: str, keep: str
) -> list[Record]:
    """Return one record for each row of an answer.

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
    list of Record
    """
    now, alpha, payload = datetime.now(UTC), float(model.scorer.alpha), submission.payload
    records = []
    for i, (score, p_value, flagged) in enumerate(_rows(scored)):
        kept = payload is not None and (keep == "all" or (keep == "flagged" and flagged))
        content, media_type = payload(i) if kept and payload is not None else (None, None)
        names = submission.repeated[i] if submission.repeated else {}
        key = next((str(value) for value in names.values() if value is not None), None)
        records.append(
            Record(
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
    return records


def _rows(scored: Sequence[Scored]) -> Iterator[tuple[float, float, bool]]:
    for one in scored:
        yield from zip(one.scores.tolist(), one.p_values.tolist(), one.flagged.tolist(), strict=True)
