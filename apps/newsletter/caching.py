"""Caches elsewhere that are to forget something: a queued row, called for until it is done.

Written in the transaction that changed what the cache shows, so that none is forgotten; called
for by a worker. Until somebody registers a sink nothing is called, and the row is done at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import structlog
from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.db.models.functions import Now

from apps.newsletter.models import CacheInvalidation
from apps.newsletter.models.joining import ERROR_LIMIT
from apps.queues import dead_letters
from apps.queues.correlation import bind_correlation_id, correlation_id
from apps.queues.enqueueing import enqueue
from apps.queues.errors import NotRedrivableError
from apps.queues.names import Queue, TaskName
from apps.queues.retrying import backoff_seconds
from apps.queues.scrubbing import scrub
from apps.queues.sweeping import Due

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

log = structlog.get_logger(__name__)

SUBJECT = "newsletter.cacheinvalidation"
# What depends on who subscribes.
COUNT_TAGS = ("newsletter-count",)
ATTEMPTS = 6
ENOUGH = 50
# One wake-up works this many and then lets the queue's next one in.
MOST_PER_TURN = 50


class Sink(Protocol):
    """Whoever can make caches forget."""

    def invalidate(self, *, brand_id: int, tags: Sequence[str]) -> None:
        """Raises anything where it did not succeed; called again later, so it must bear that.

        It has `CACHE_LEASE_SECONDS` and must come to an end well before.
        """


class NoSink:
    """Nobody has caches yet."""

    def invalidate(self, *, brand_id: int, tags: Sequence[str]) -> None:
        """Nothing to do."""


_sinks: list[Sink] = []


def register_sink(sink: Sink) -> None:
    """From now on it is called for every row; called from an `AppConfig.ready`."""
    _sinks[:] = [sink]


def current_sink() -> Sink:
    return _sinks[0] if _sinks else NoSink()


def invalidate(*, brand_id: int, tags: Iterable[str] = COUNT_TAGS) -> None:
    """Writes the wish down in the caller's transaction, or joins one that waits.

    Joining locks the waiting row until that transaction ends, so that it is not called for before
    the change can be seen.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            _WISH,
            {
                "brand": brand_id,
                "tags": sorted(set(tags)),
                "correlation": correlation_id(),
            },
        )
    enqueue(TaskName.INVALIDATE_CACHES)


_WISH = """
INSERT INTO newsletter_cacheinvalidation AS known
       (brand_id, tags, state, correlation_id)
VALUES (%(brand)s, %(tags)s, 'waiting', %(correlation)s)
ON CONFLICT (brand_id, tags) WHERE state = 'waiting'
DO UPDATE SET correlation_id = known.correlation_id
"""


@dataclass(frozen=True)
class Claimed:
    """A row that the caller owns under `fence`; `attempts` includes the one to come."""

    id: int
    fence: int
    attempts: int
    brand_id: int
    tags: tuple[str, ...]
    correlation_id: str


# One that is `calling` past its lease belonged to a worker that was killed.
_CLAIM = """
UPDATE newsletter_cacheinvalidation row
   SET state = 'calling', fence = row.fence + 1, attempts = row.attempts + 1,
       due_at = statement_timestamp() + make_interval(secs => %(lease)s)
 WHERE id = (SELECT id FROM newsletter_cacheinvalidation
              WHERE state IN ('waiting', 'calling') AND due_at <= statement_timestamp()
              ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING id, fence, attempts, brand_id, tags, correlation_id
"""

_SETTLE = f"""
UPDATE newsletter_cacheinvalidation row
   SET state = %(state)s, last_error = left(%(error)s, {ERROR_LIMIT}),
       due_at = statement_timestamp() + make_interval(secs => %(wait)s),
       settled_at = CASE WHEN %(state)s IN ('done', 'dead') THEN statement_timestamp() END
 WHERE id = %(id)s AND fence = %(fence)s AND state = 'calling'
"""


def invalidate_caches() -> int:
    """Calls for what is due; returns how many calls were made."""
    calls = 0
    while calls < MOST_PER_TURN and (claimed := claim()) is not None:
        bind_correlation_id(claimed.correlation_id)
        calls += 1
        _call(claimed)
    return calls


def claim() -> Claimed | None:
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, {"lease": settings.CACHE_LEASE_SECONDS})
        row = cursor.fetchone()
    if row is None:
        return None
    pk, fence, attempts, brand_id, tags, correlation = row
    return Claimed(pk, fence, attempts, brand_id, tuple(tags), correlation)


def _call(claimed: Claimed) -> None:
    try:
        current_sink().invalidate(brand_id=claimed.brand_id, tags=claimed.tags)
    except Exception as error:  # noqa: BLE001 - whatever a sink raises, the row is tried again
        _settle_failure(claimed, f"{type(error).__name__}: {scrub(str(error))}")
        return
    if _settle(claimed, CacheInvalidation.State.DONE):
        log.info(
            "caches_invalidated",
            row=claimed.id,
            brand=claimed.brand_id,
            tags=list(claimed.tags),
            attempts=claimed.attempts,
        )


def _settle_failure(claimed: Claimed, error: str) -> None:
    log.warning(
        "caches_not_invalidated",
        row=claimed.id,
        brand=claimed.brand_id,
        tags=list(claimed.tags),
        attempts=claimed.attempts,
        error=error,
    )
    if claimed.attempts >= ATTEMPTS:
        with transaction.atomic():
            if _settle(claimed, CacheInvalidation.State.DEAD, error=error):
                _record_dead(claimed, error)
    else:
        _wait_again(claimed, error)


def _wait_again(claimed: Claimed, error: str) -> None:
    """Where another of the same tags has come to wait meanwhile, that one stands for both."""
    wait = backoff_seconds(
        attempt=claimed.attempts,
        base=settings.RETRY_BASE_SECONDS,
        cap=settings.RETRY_CAP_SECONDS,
    )
    try:
        with transaction.atomic():
            _settle(claimed, CacheInvalidation.State.WAITING, error=error, wait=wait)
    except IntegrityError:
        _settle(claimed, CacheInvalidation.State.DONE, error=error)


def _record_dead(claimed: Claimed, error: str) -> None:
    dead_letters.record(
        queue=Queue.EVENTS,
        task=TaskName.INVALIDATE_CACHES,
        reason="attempts_spent",
        error=error,
        attempts=claimed.attempts,
        subject=SUBJECT,
        subject_id=claimed.id,
    )


def _settle(
    claimed: Claimed, state: CacheInvalidation.State, *, error: str = "", wait: float = 0.0
) -> bool:
    """False where the lease was lost: nothing is written then."""
    with connection.cursor() as cursor:
        cursor.execute(
            _SETTLE,
            {
                "id": claimed.id,
                "fence": claimed.fence,
                "state": state.value,
                "error": error,
                "wait": wait,
            },
        )
        return bool(cursor.rowcount)


def redrive(row_id: int) -> None:
    """Makes one that was given up due again, with new attempts. Raises `NotRedrivableError`."""
    row = CacheInvalidation.objects.select_for_update().filter(pk=row_id).first()
    if row is None or row.state != CacheInvalidation.State.DEAD:
        raise NotRedrivableError("The invalidation is gone, or was done since.")
    if CacheInvalidation.objects.filter(
        brand_id=row.brand_id, tags=row.tags, state=CacheInvalidation.State.WAITING
    ).exists():
        return
    CacheInvalidation.objects.filter(pk=row_id).update(
        state=CacheInvalidation.State.WAITING, attempts=0, due_at=Now(), settled_at=None
    )
    enqueue(TaskName.INVALIDATE_CACHES)


def brand_of(row_id: int) -> int | None:
    return CacheInvalidation.objects.filter(pk=row_id).values_list("brand", flat=True).first()


def due_invalidations() -> Iterable[Due]:
    """For the sweeper."""
    with connection.cursor() as cursor:
        cursor.execute(_DUE)
        waiting, oldest = cursor.fetchone()
    if not waiting:
        return []
    return [Due(TaskName.INVALIDATE_CACHES, waiting, {}, oldest_seconds=float(oldest))]


_DUE = f"""
SELECT count(*), extract(epoch FROM statement_timestamp() - min(due_at)) FROM (
    SELECT due_at FROM newsletter_cacheinvalidation
     WHERE state IN ('waiting', 'calling') AND due_at <= statement_timestamp()
     ORDER BY due_at LIMIT {ENOUGH}) due
"""
