"""Settling a try: what it means for the delivery, and for the endpoint it went to."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import structlog
from django.conf import settings
from django.db import connection, transaction

from apps.station.outgoing.calling import Ending, Outcome
from apps.station.outgoing.models import HISTORY_LIMIT, REASON_LIMIT

if TYPE_CHECKING:
    from apps.station.outgoing.claiming import ClaimedDelivery

log = structlog.get_logger(__name__)

# The wait after the first failure, the second, … : some three days in all.
RETRY_SECONDS = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
JITTER = 0.2
# So many failures in a row and the endpoint itself rests, longer each time: a dead one costs one
# call in five minutes, however many deliveries wait for it.
FAILURES_BEFORE_REST = 3
LONGEST_REST_SECONDS = 300.0
REST_SECONDS = 5.0

_SETTLE = f"""
UPDATE station_webhookdelivery
   SET state = %(state)s,
       settled_at = CASE WHEN %(state)s = 'pending' THEN NULL ELSE statement_timestamp() END,
       due_at = statement_timestamp() + make_interval(secs => %(wait)s),
       attempts = attempts - %(free)s, last_status = %(status)s, last_error = %(error)s,
       latency_ms = %(latency)s, snippet = %(snippet)s,
       history = (CASE WHEN jsonb_array_length(history) >= {HISTORY_LIMIT}
                       THEN history - 0 ELSE history END)
                 || jsonb_build_array(jsonb_strip_nulls(jsonb_build_object(
                        'at', statement_timestamp(), 'status', %(status)s::int,
                        'ms', %(latency)s::int, 'error', nullif(%(error)s, ''))))
 WHERE month = %(month)s AND id = %(id)s AND fence = %(fence)s AND state = 'calling'
"""

# Written when there is something new to say: not for each of a thousand successes.
_SUCCEEDED = """
UPDATE station_webhookendpoint
   SET failures = 0, failing_since = NULL, held_until = NULL,
       last_success_at = statement_timestamp()
 WHERE id = %(endpoint)s
   AND (failures > 0 OR held_until IS NOT NULL OR last_success_at IS NULL
        OR last_success_at < statement_timestamp() - interval '30 seconds')
"""

# Those that were under way together count as one failure once a rest has begun.
_FAILED = """
UPDATE station_webhookendpoint
   SET failures = failures + 1,
       failing_since = coalesce(failing_since, statement_timestamp()),
       held_until = CASE
           WHEN %(hold)s > 0
           THEN statement_timestamp() + make_interval(secs => %(hold)s)
           WHEN failures + 1 >= %(before_rest)s
           THEN statement_timestamp() + make_interval(secs => least(
                %(longest)s, %(rest)s * 2 ^ least(failures + 1 - %(before_rest)s, 16)))
           ELSE held_until END
 WHERE id = %(endpoint)s
   AND (held_until IS NULL OR held_until <= statement_timestamp() OR %(hold)s > 0)
"""

_DISABLE = """
UPDATE station_webhookendpoint
   SET disabled_at = statement_timestamp(), disabled_reason = %(reason)s
 WHERE id = %(endpoint)s AND disabled_at IS NULL
   AND (%(at_once)s OR failing_since < statement_timestamp() - make_interval(secs => %(after)s))
"""


def settle(delivery: ClaimedDelivery, outcome: Outcome) -> bool:
    """Writes the end of a try; False where the lease was lost, and nothing was written.

    An endpoint that says it is gone, or that has only failed for days, is disabled; what waits
    for it goes on waiting.
    """
    state, wait = _next(delivery, outcome)
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(_SETTLE, _settlement(delivery, outcome, state, wait))
            owned = bool(cursor.rowcount)
        if owned:
            _note_on_endpoint(delivery.endpoint_id, outcome)
    if not owned:
        log.warning("webhook_lease_lost", delivery=delivery.id, fence=delivery.fence)
    elif outcome.ending is not Ending.DELIVERED:
        log.warning(
            "webhook_not_delivered",
            delivery=delivery.id,
            endpoint=delivery.endpoint_id,
            status=outcome.status,
            attempt=delivery.attempts,
            state=state,
        )
    return owned


def _next(delivery: ClaimedDelivery, outcome: Outcome) -> tuple[str, float]:
    """The delivery's next state, and after how many seconds it is due again."""
    match outcome.ending:
        case Ending.DELIVERED:
            return "delivered", 0.0
        case Ending.THROTTLED:
            return "pending", max(1.0, outcome.retry_after_s)
        case Ending.GONE:
            return "pending", 0.0
        case Ending.FAILED:
            if delivery.attempts > len(RETRY_SECONDS):
                return "failed", 0.0
            return "pending", RETRY_SECONDS[delivery.attempts - 1] * _spread()


def _spread() -> float:
    return random.uniform(1.0, 1.0 + JITTER)  # noqa: S311 - spreading, not secrecy


def _settlement(
    delivery: ClaimedDelivery, outcome: Outcome, state: str, wait: float
) -> dict[str, Any]:
    # Whoever was told to come again later did not use up a try.
    free = outcome.ending in {Ending.THROTTLED, Ending.GONE}
    return {
        "state": state,
        "wait": wait,
        "free": int(free),
        "status": outcome.status,
        "error": outcome.error[:REASON_LIMIT],
        "latency": round(outcome.latency_ms),
        "snippet": outcome.snippet,
        "month": delivery.month,
        "id": delivery.id,
        "fence": delivery.fence,
    }


def _note_on_endpoint(endpoint_id: int, outcome: Outcome) -> None:
    with connection.cursor() as cursor:
        if outcome.ending is Ending.DELIVERED:
            cursor.execute(_SUCCEEDED, {"endpoint": endpoint_id})
            return
        throttled = outcome.ending is Ending.THROTTLED
        cursor.execute(
            _FAILED,
            {
                "endpoint": endpoint_id,
                "hold": max(1.0, outcome.retry_after_s) if throttled else 0.0,
                "before_rest": FAILURES_BEFORE_REST,
                "rest": REST_SECONDS * _spread(),
                "longest": LONGEST_REST_SECONDS,
            },
        )
        _disable_if_hopeless(cursor, endpoint_id, outcome)


def _disable_if_hopeless(cursor: Any, endpoint_id: int, outcome: Outcome) -> None:
    gone = outcome.ending is Ending.GONE
    days = settings.WEBHOOK_DISABLE_DAYS
    reason = (
        "The receiver says that the address is gone (410)."
        if gone
        else f"Nothing could be delivered for {days:g} days; last: {outcome.error}."
    )
    cursor.execute(
        _DISABLE,
        {
            "endpoint": endpoint_id,
            "reason": reason[:REASON_LIMIT],
            "at_once": gone,
            "after": days * 86_400,
        },
    )
    if cursor.rowcount:
        log.error("webhook_endpoint_disabled", endpoint=endpoint_id, gone=gone)
