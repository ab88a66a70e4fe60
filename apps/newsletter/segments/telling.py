"""What is told of every call: one line in the log, and the counters of the segment API."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Literal, cast

import structlog
from django.db import connection

from apps.mail.clients import bucket_of
from apps.newsletter.segments.deciding import Operation
from apps.queues import figures
from apps.queues.health.backlogs import COUNTED_AT_MOST
from apps.queues.names import Queue

if TYPE_CHECKING:
    from apps.brands.models import ProviderAccount
    from apps.newsletter.segments.claiming import Claimed
    from apps.newsletter.segments.deciding import Step

log = structlog.get_logger(__name__)

COUNTED = frozenset({Operation.LIST, Operation.ADD, Operation.REMOVE, Operation.SET})
LENGTH_SECONDS = 5.0

_length = (0, float("-inf"))


def tell_call(  # noqa: PLR0913 - a line has this many facts
    account: ProviderAccount,
    wish: Claimed,
    step: Step,
    status: int | None,
    latency_ms: float,
    *,
    outcome: str,
) -> None:
    """One provider operation. `outcome` is ok or the class of the failure; no address, no name.

    The correlation id of the wish is bound to the log already.
    """
    throttled = outcome == "Throttled"
    if step.operation in COUNTED:
        figures.note_segment_call(
            operation=cast("Literal['list', 'add', 'remove', 'set']", step.operation.value),
            rate_limit_bucket=bucket_of(account),
            queue=Queue.SEGMENTS,
            throttled=throttled,
        )
    if throttled:
        log.warning("segment call throttled", contactId=wish.contact_id,
                    resend_operation=step.operation.value)  # fmt: skip
    log.info(
        "segment_call",
        contactId=wish.contact_id,
        segment_target=wish.target,
        engagement_score=wish.score,
        mode=wish.mode,
        resend_operation=step.operation.value,
        latency_ms=round(latency_ms, 1),
        retry_attempt=wish.attempts + wish.throttles,
        queue_length=queue_length(),
        resend_status=status,
        outcome=outcome,
    )


def queue_length() -> int:
    """How many contacts wait or are under way; counted every five seconds by each process."""
    global _length  # noqa: PLW0603 - one count per process
    number, counted_at = _length
    now = time.monotonic()
    if now - counted_at >= LENGTH_SECONDS:
        with connection.cursor() as cursor:
            cursor.execute(_LENGTH)
            number = int(cursor.fetchone()[0])
        _length = number, now
    return number


_LENGTH = f"""
SELECT count(*) FROM (SELECT 1 FROM newsletter_segmentwish
                       WHERE state IN ('waiting', 'working') LIMIT {COUNTED_AT_MOST}) open
"""
