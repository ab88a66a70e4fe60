"""Wishes to join, taken down alike for every address and worked off within a second.

So the answer, and the time it takes, tell nobody whether an address is known, suppressed, erased
or has left; and a broker or provider that is away loses no wish.
"""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING

import structlog
from django.conf import settings
from django.db import connection, transaction
from django.db.models.functions import Now

from apps.contacts.editing import Details
from apps.contacts.models import ConsentSource
from apps.contacts.subscribing import Evidence
from apps.newsletter import joining
from apps.newsletter.models import JoinRequest
from apps.newsletter.models.joining import ERROR_LIMIT
from apps.queues import dead_letters
from apps.queues.correlation import bind_correlation_id
from apps.queues.database import is_database_away
from apps.queues.enqueueing import enqueue
from apps.queues.errors import NotRedrivableError
from apps.queues.names import Queue, TaskName
from apps.queues.retrying import backoff_seconds
from apps.queues.scrubbing import scrub
from apps.queues.sweeping import Due

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from apps.brands.models import Brand

log = structlog.get_logger(__name__)

SUBJECT = "newsletter.joinrequest"
ATTEMPTS = 6
# One wake-up works so long and then lets the queue's next one in.
TURN_SECONDS = 5.0
ENOUGH = 50


def take_down(
    *, brand: Brand, email: str, topic_ids: Sequence[int], details: Details, evidence: Evidence
) -> None:
    """Writes the wish down and wakes a worker. The same work for whatever address."""
    with transaction.atomic():
        JoinRequest.objects.create(
            brand=brand,
            email=email,
            topic_ids=list(topic_ids),
            details={name: value for name, value in asdict(details).items() if value},
            source=evidence.source,
            detail=evidence.detail,
            text_shown=evidence.text_shown,
            ip=evidence.ip,
            correlation_id=evidence.correlation_id,
            asked_at=evidence.occurred_at,
        )
        enqueue(TaskName.WORK_JOINS)


def work_joins(*, turn_seconds: float = TURN_SECONDS) -> int:
    """Works off what is due, a transaction each; returns how many."""
    ends_at = time.monotonic() + turn_seconds
    worked = 0
    while time.monotonic() < ends_at and _work_one():
        worked += 1
    return worked


def _work_one() -> bool:
    """False where nothing is due. A worker that dies in the middle leaves the wish as it was."""
    with transaction.atomic():
        due = JoinRequest.objects.select_related("brand").filter(due_at__lte=Now())
        request = due.select_for_update(skip_locked=True, of=("self",)).order_by("due_at").first()
        if request is None:
            return False
        bind_correlation_id(request.correlation_id)
        try:
            with transaction.atomic():
                _work(request)
        except Exception as error:
            if is_database_away(error):
                raise
            _note_failure(request, error)
        else:
            request.delete()
    return True


def _work(request: JoinRequest) -> None:
    joining.subscribe(
        brand=request.brand,
        email=request.email,
        topic_ids=request.topic_ids,
        details=Details(**request.details),
        evidence=Evidence(
            source=ConsentSource(request.source),
            occurred_at=request.asked_at,
            detail=request.detail,
            text_shown=request.text_shown,
            ip=request.ip,
            correlation_id=request.correlation_id,
        ),
    )


def _note_failure(request: JoinRequest, error: Exception) -> None:
    """Tried again later; given up it stays, with a dead letter that drives it again."""
    attempts = request.attempts + 1
    text = f"{type(error).__name__}: {scrub(str(error))}"[:ERROR_LIMIT]
    log.warning("join_failed", request=request.pk, attempts=attempts, error=type(error).__name__)
    wait = backoff_seconds(
        attempt=attempts, base=settings.RETRY_BASE_SECONDS, cap=settings.RETRY_CAP_SECONDS
    )
    given_up = attempts >= ATTEMPTS
    with connection.cursor() as cursor:
        cursor.execute(
            _TRY_LATER,
            {
                "id": request.pk,
                "attempts": attempts,
                "error": text,
                "wait": None if given_up else wait,
            },
        )
    if given_up:
        dead_letters.record(
            queue=Queue.CONTROL,
            task=TaskName.WORK_JOINS,
            reason="attempts_spent",
            error=text,
            attempts=attempts,
            subject=SUBJECT,
            subject_id=request.pk,
        )


_TRY_LATER = """
UPDATE newsletter_joinrequest
   SET attempts = %(attempts)s, last_error = %(error)s,
       due_at = statement_timestamp() + make_interval(secs => %(wait)s::float8)
 WHERE id = %(id)s
"""


def redrive(request_id: int) -> None:
    """Makes one that was given up due again, with new attempts. Raises `NotRedrivableError`."""
    found = JoinRequest.objects.filter(pk=request_id)
    if not found.update(due_at=Now(), attempts=0):
        raise NotRedrivableError(
            f"The wish to join {request_id} is gone, its retention has passed. Discard the letter."
        )
    enqueue(TaskName.WORK_JOINS)


def brand_of(request_id: int) -> int | None:
    return JoinRequest.objects.filter(pk=request_id).values_list("brand", flat=True).first()


def due_joins() -> Iterable[Due]:
    """For the sweeper."""
    with connection.cursor() as cursor:
        cursor.execute(_DUE)
        waiting, oldest = cursor.fetchone()
    if not waiting:
        return []
    return [Due(TaskName.WORK_JOINS, waiting, {}, oldest_seconds=float(oldest))]


_DUE = f"""
SELECT count(*), extract(epoch FROM statement_timestamp() - min(due_at)) FROM (
    SELECT due_at FROM newsletter_joinrequest
     WHERE due_at <= statement_timestamp() ORDER BY due_at, id LIMIT {ENOUGH}) due
"""
