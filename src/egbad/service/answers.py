"""From a body to an answer: read, queue, score and store."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from functools import partial
from http import HTTPStatus
from typing import Any

from fastapi import Request, Response
from pydantic_core import to_json

from egbad.errors import EgbadError
from egbad.export.onnx_scorer import OnnxScorer
from egbad.service.bodies import InputReader, Submission
from egbad.service.context import RequestFacts, Service, facts_of
from egbad.service.image_bodies import read_image_files, read_zip
from egbad.service.json_bodies import read_json_body
from egbad.service.limits import Reservation, read_body
from egbad.service.models import ServedModel
from egbad.service.problems import ProblemError, one_sentence
from egbad.service.records import RecordStore, make_items
from egbad.service.scoring import Piece, Scored
from egbad.service.table_bodies import read_table

JSON = "application/json"
TABLE_TYPES = {
    "text/csv": ".csv",
    "text/tab-separated-values": ".tsv",
    "application/vnd.apache.parquet": ".parquet",
    "application/x-parquet": ".parquet",
}
ZIP = "application/zip"
# Bytes that the event loop reads itself, and rows that it writes itself: threads would take longer.
_SMALL_BODY, _SMALL_ANSWER = 4096, 32
NOT_STORED = {"Warning": '199 egbad "The answer is not in the store"'}


def read_submission(reader: InputReader, media_type: str, content: bytes, deadline: float) -> Submission:
    """Read a body by its media type.

    Parameters
    ----------
    reader : InputReader
    media_type : str
        Without parameters, in lower case.
    content : bytes
    deadline : float
        Time of `time.monotonic` at which reading stops.

    Returns
    -------
    Submission

    Raises
    ------
    EgbadError, ProblemError
        If the media type is not known, or the content does not match the model or exceeds a limit.
    """
    if media_type == JSON:
        return read_json_body(reader, content, deadline)
    if media_type in TABLE_TYPES:
        return read_table(reader, content, TABLE_TYPES[media_type])
    if media_type == ZIP:
        return read_zip(reader, content, deadline)
    if media_type.startswith("image/"):
        return read_image_files(reader, [content], deadline)
    known = ", ".join((JSON, *TABLE_TYPES, "image/png and other images", ZIP))
    raise ProblemError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"The Content-Type must be one of {known}, got another one.")


async def score_request(service: Service, request: Request, model: ServedModel, explain: bool) -> Response:
    """Answer a request for scores.

    Parameters
    ----------
    service : Service
    request : Request
    model : ServedModel
    explain : bool

    Returns
    -------
    Response

    Raises
    ------
    EgbadError, ProblemError
        If the request is not valid, the queue is full, or the deadline passes.
    """
    facts, media_type = facts_of(request), media_type_of(request)
    with service.capacity.reserve() as reservation:
        content = await read_body(request, reservation, service.settings, facts.deadline)
        read = partial(read_submission, model.reader, media_type, content, facts.deadline)
        inline = is_small(model, content) and media_type == JSON
        submission, scored = await score(service, model, read, facts, reservation, explain=explain, inline=inline)
        stored = await store(service, model, submission, scored, facts)
        if submission.rows <= _SMALL_ANSWER:
            answer = build_answer(model, submission, scored, stored)
        else:
            answer = await service.run(build_answer, model, submission, scored, stored)
    return Response(answer, headers=NOT_STORED if stored is False else None, media_type=JSON)


def is_small(model: ServedModel, content: bytes) -> bool:
    """Return True for a few rows as JSON, which the event loop reads itself: a thread would take longer.

    Parameters
    ----------
    model : ServedModel
    content : bytes

    Returns
    -------
    bool
    """
    return model.scorer.kind_ == "rows" and len(content) <= _SMALL_BODY


async def score(
    service: Service,
    model: ServedModel,
    read: Callable[[], Submission],
    facts: RequestFacts,
    reservation: Reservation,
    *,
    explain: bool = False,
    inline: bool = False,
) -> tuple[Submission, list[Scored]]:
    """Read the rows of a request, and score them together with those of others.

    Parameters
    ----------
    service : Service
    model : ServedModel
    read : callable
        Returns the rows.
    facts : RequestFacts
    reservation : Reservation
        Receives the rows.
    explain : bool
    inline : bool
        Whether the event loop reads the rows itself, see `is_small`.

    Returns
    -------
    submission : Submission
    scored : list of Scored
        One for each piece of the submission.

    Raises
    ------
    EgbadError, ProblemError
        If the rows do not match the model, the queue is full, or the deadline passes.
    """
    try:
        async with asyncio.timeout_at(facts.deadline):
            submission = read() if inline else await service.run(read)
            if explain:
                _check_explained(service, model, submission.rows)
            reservation.add(rows=submission.rows, bytes=submission.bytes)
            pieces = [Piece(data, explain) for data in submission.pieces]
            futures = [model.batcher.submit(piece, len(piece.data.x), piece.key) for piece in pieces]
            try:
                scored = await asyncio.gather(*futures)
            finally:
                for future in futures:
                    future.cancel()
    except TimeoutError as error:
        raise ProblemError(
            HTTPStatus.GATEWAY_TIMEOUT,
            "The scores were not ready in time. Send fewer rows, or repeat the request later.",
        ) from error
    flagged = sum(int(one.flagged.sum()) for one in scored)
    service.metrics.observe_scores(model.name, model.version, submission.rows, flagged)
    return submission, scored


def _check_explained(service: Service, model: ServedModel, rows: int) -> None:
    """Raise if the model explains nothing, or a request has too many rows for it."""
    most = service.settings.max_explained
    if rows > most:
        detail = f"A request with explanations may have at most {most:,} {model.scorer.kind_}, got {rows:,}."
        raise ProblemError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)
    if isinstance(model.scorer, OnnxScorer):
        model.scorer.check_explains()


async def store(
    service: Service, model: ServedModel, submission: Submission, scored: Sequence[Scored], facts: RequestFacts
) -> bool | None:
    """Store an answer before it is sent.

    Parameters
    ----------
    service : Service
    model : ServedModel
    submission : Submission
    scored : sequence of Scored
    facts : RequestFacts

    Returns
    -------
    bool or None
        False if the answer may not be in the store: it failed, or was not ready by the deadline. None without a store.
    """
    if service.store is None:
        return None

    def append(store: RecordStore) -> "Future[None]":
        return store.append(make_items(model, submission, scored, facts.request_id, service.keep))

    try:
        committed = asyncio.wrap_future(await service.run(append, service.store))
        left = facts.deadline - asyncio.get_running_loop().time()
        done, _ = await asyncio.wait(
            {committed}, timeout=max(0.0, left)
        )  # leaves the future alone when the time is over
        if done:
            committed.result()
            return True
        reason = "deadline"
    except EgbadError as error:
        reason = one_sentence(error)
    service.metrics.unstored.inc()
    service.logger.error("answer not stored", request_id=facts.request_id, reason=reason)
    return False


def build_answer(model: ServedModel, submission: Submission, scored: Sequence[Scored], stored: bool | None) -> bytes:
    """Return an answer as JSON.

    Parameters
    ----------
    model : ServedModel
    submission : Submission
    scored : sequence of Scored
    stored : bool, optional

    Returns
    -------
    bytes
    """
    results: list[dict[str, Any]] = [row for one in scored for row in _rows(one)]
    if submission.repeated:
        results = [{**names, **row} for names, row in zip(submission.repeated, results, strict=True)]
    answer: dict[str, Any] = {
        "model": model.name,
        "version": model.version,
        "digest": model.digest,
        "alpha": float(model.scorer.alpha),
        "threshold": model.threshold,
        "results": results,
    }
    return to_json(answer if stored is None else answer | {"stored": stored}, inf_nan_mode="null")


def _rows(scored: Scored) -> Iterator[dict[str, Any]]:
    """Yield the answer to each row of a piece."""
    names = [*scored.terms]
    terms = zip(*(scored.terms[name].tolist() for name in names), strict=True)
    columns = (scored.scores.tolist(), scored.p_values.tolist(), scored.flagged.tolist(), terms)
    for i, (one, p_value, flagged, values) in enumerate(zip(*columns, strict=True)):
        row = {"score": one, "p_value": p_value, "flagged": flagged, "terms": dict(zip(names, values, strict=True))}
        if scored.reasons is not None:
            row["explanation"] = scored.reasons[i]
        yield row


def media_type_of(request: Request) -> str:
    """Return the media type of a request's body, without parameters and in lower case.

    Parameters
    ----------
    request : Request

    Returns
    -------
    str
    """
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()
