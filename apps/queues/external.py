"""Working the queues of other systems: a call that asks them to do some of their work.

    POST <url>   {"limit": 100, "deadline_seconds": 30}     Authorization: Bearer <token>
    200          {"processed": 17, "queue_length": 3}       queue_length may be missing

The other system keeps its rows and its retries; here a call has a total deadline, an interval and
a budget of failures in a row, after which it is a dead letter.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import structlog

from apps.queues import figures
from apps.queues.correlation import HEADER as CORRELATION_HEADER
from apps.queues.correlation import correlation_id
from apps.queues.endings import Outcome
from apps.queues.errors import ExternalQueueError, UnknownQueueError
from apps.queues.models import QueueStanding
from apps.queues.names import TaskName
from apps.queues.outbound import OutboundError, Transport
from apps.queues.registry import EXTERNAL_QUEUES
from apps.queues.schedules import Missed, Schedule, claim_period, newest_claims
from apps.queues.sweeping import Due

if TYPE_CHECKING:
    from collections.abc import Iterable

    from apps.queues.outbound import Answer
    from apps.queues.registry import Endpoint, ExternalQueueSpec

log = structlog.get_logger(__name__)

CONNECT_SECONDS = 5.0
DEFAULT_LIMIT = 100


@dataclass(frozen=True)
class WorkedOff:
    """What one call came to. `queue_length` is None where the other system did not say."""

    processed: int
    queue_length: int | None


def work_scheduled(*, queue: str) -> WorkedOff | None:
    """Calls the queue, unless it was called in the present interval; then None.

    Raises `ExternalQueueError`, with the interval free again for the next try.
    """
    spec = _spec(queue)
    if not claim_period(_interval(spec)):
        return None
    return work_off(queue=queue)


def work_off(
    *, queue: str, limit: int = DEFAULT_LIMIT, deadline_seconds: float | None = None
) -> WorkedOff:
    """Asks the other system to work off up to `limit` of its rows within the deadline.

    Raises `UnknownQueueError` for a name nobody declared, `ExternalQueueError` for no answer in
    time, and for one that is not as promised.
    """
    spec = _spec(queue)
    endpoint = spec.endpoint()
    if endpoint is None:
        return WorkedOff(0, None)
    seconds = min(spec.total_seconds, deadline_seconds or spec.total_seconds)
    started = time.monotonic()
    try:
        answer = _call(endpoint, seconds, limit)
    except OutboundError as error:
        _note_failure(queue, started, type(error).__name__)
        raise ExternalQueueError(f"{queue}: {error}", attempts=spec.attempts) from error
    worked = _read(answer)
    if worked is None:
        _note_failure(queue, started, f"status {answer.status}")
        text = f"{queue}: status {answer.status}, or an answer without a count"
        raise ExternalQueueError(text, attempts=spec.attempts)
    _note(queue, worked, started)
    log.info("external_queue_worked", queue=queue, processed=worked.processed,
             queue_length=worked.queue_length, latency_ms=round(answer.latency_ms, 1))  # fmt: skip
    return worked


def _note(queue: str, worked: WorkedOff, started: float) -> None:
    """The health of the other system's queue: when it was worked last, and what waits there."""
    figures.note_units(queue, worked.processed)
    figures.note_task(
        queue=queue,
        task=TaskName.WORK_EXTERNAL,
        outcome=figures.DONE,
        seconds=time.monotonic() - started,
    )
    QueueStanding.objects.update_or_create(
        queue=queue, defaults={"told_length": worked.queue_length}
    )


def _note_failure(queue: str, started: float, error: str) -> None:
    figures.note_task(
        queue=queue,
        task=TaskName.WORK_EXTERNAL,
        outcome=Outcome.RETRIED.value,
        seconds=time.monotonic() - started,
        error=error,
    )


def due_external() -> Iterable[Due]:
    """External queues that are switched on and were not called in their present interval."""
    on = [spec for spec in EXTERNAL_QUEUES.values() if spec.endpoint() is not None]
    if not on:
        return []
    called = newest_claims(_interval(spec) for spec in on)
    return [
        Due(TaskName.WORK_EXTERNAL, 1, {"queue": spec.name})
        for spec in on
        if not called[_interval(spec).name]
    ]


def _spec(queue: str) -> ExternalQueueSpec:
    try:
        return EXTERNAL_QUEUES[queue]
    except KeyError:
        known = ", ".join(EXTERNAL_QUEUES) or "none"
        raise UnknownQueueError(f"No external queue {queue!r}; there are: {known}.") from None


def _interval(spec: ExternalQueueSpec) -> Schedule:
    return Schedule(
        f"external:{spec.name}",
        TaskName.WORK_EXTERNAL,
        every_seconds=spec.every_seconds,
        missed=Missed.RUN_LATE,
    )


def _call(endpoint: Endpoint, seconds: float, limit: int) -> Answer:
    parts = urlsplit(endpoint.url)
    headers = {
        "Content-Type": "application/json",
        CORRELATION_HEADER: correlation_id(),
    }
    if endpoint.token:
        headers["Authorization"] = f"Bearer {endpoint.token}"
    body = json.dumps({"limit": limit, "deadline_seconds": round(seconds, 1)}).encode()
    transport = _transport(f"{parts.scheme}://{parts.netloc}", seconds)
    return transport.request("POST", parts.path or "/", headers=headers, body=body)


@cache
def _transport(origin: str, seconds: float) -> Transport:
    return Transport(
        origin,
        connect_timeout_s=min(CONNECT_SECONDS, seconds),
        read_timeout_s=seconds,
        total_timeout_s=seconds,
        max_answer_bytes=64 * 1024,
    )


def _read(answer: Answer) -> WorkedOff | None:
    if answer.status != HTTPStatus.OK:
        return None
    try:
        told: Any = json.loads(answer.body)
    except ValueError:
        return None
    match told:
        case {"processed": int() as processed} if processed >= 0:
            length = told.get("queue_length")
            return WorkedOff(processed, length if isinstance(length, int) else None)
    return None
