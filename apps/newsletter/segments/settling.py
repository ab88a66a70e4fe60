"""Writing down what a call came to, before the next: all of it `WHERE fence = …`."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import orjson
import structlog
from django.conf import settings
from django.db import connection, transaction

from apps.newsletter.models.segments import SegmentWish, WishState
from apps.newsletter.segments.deciding import Operation
from apps.queues import dead_letters, figures
from apps.queues.names import Queue, TaskName

if TYPE_CHECKING:
    from apps.mail.resend import Reply
    from apps.newsletter.segments.claiming import Claimed
    from apps.newsletter.segments.deciding import Step

log = structlog.get_logger(__name__)

DEAD_LETTER_SUBJECT = "segment wish"
ERROR_LIMIT = 300


@dataclass(frozen=True)
class Called:
    """What a call cost, for the pass; `calls` is 0 where none was made."""

    calls: int = 0
    latency_ms: float = 0.0
    retries: int = 0
    throttles: int = 0
    before: tuple[str, ...] | None = None
    """The contact's segments before the call, where they were known or have just been told."""
    told_now: bool = False
    """Whether the segments are known from this very call."""


NO_CALL = Called()


def cost_of(wish: Claimed, now: Claimed, step: Step, reply: Reply[object]) -> Called:
    """What the call adds to its pass; a list tells the segments before the pass as well."""
    told_now = step.operation in {Operation.LIST, Operation.CREATE, Operation.SET}
    before = wish.known
    if step.operation is Operation.LIST:
        before = now.known
    elif step.operation is Operation.CREATE:
        before = ()
    return Called(calls=1, latency_ms=reply.latency_ms, before=before, told_now=told_now)


def interval_seconds(wish: Claimed) -> float:
    """Until the contact's next call: the least interval, and a part that differs by contact."""
    drawn = blake2b(f"{wish.contact_id}/{wish.fence}".encode(), digest_size=4).digest()
    share = int.from_bytes(drawn, "big") / 2**32
    return (settings.SEGMENT_MIN_INTERVAL_MS + settings.SEGMENT_JITTER_MS * share) / 1000


_KNOWN = """
    provider_contact_id = %(provider_id)s,
    known_segments = %(known)s::text[],
    known_at = CASE WHEN %(known)s::text[] IS NULL THEN NULL
                    WHEN %(told_now)s OR known_at IS NULL THEN statement_timestamp()
                    ELSE known_at END,
    known_topics = %(known_topics)s::jsonb,
    known_unsubscribed = %(known_unsubscribed)s,
    delete_as = %(delete_as)s,
    mode = CASE WHEN %(exists)s THEN 'update' ELSE mode END,
    lease_until = NULL,
    called_at = CASE WHEN %(calls)s > 0 THEN statement_timestamp() ELSE called_at END,
    pass_listed = %(listed)s,
    pass_before = coalesce(pass_before, %(before)s::text[]),
    pass_calls = pass_calls + %(calls)s,
    pass_retries = pass_retries + %(retries)s,
    pass_throttles = pass_throttles + %(throttles)s,
    pass_latency_ms = pass_latency_ms + %(latency)s
"""

_OWNED = " WHERE contact_id = %(contact)s AND fence = %(fence)s AND state = 'working' "

# A wish that came meanwhile goes on at once, from what is known by now.
_SETTLE = f"""
UPDATE newsletter_segmentwish SET {_KNOWN},
    done_version = CASE WHEN %(finished)s THEN %(version)s ELSE done_version END,
    topics_done_version = CASE WHEN %(finished)s THEN %(topics_version)s
                               ELSE topics_done_version END,
    state = CASE WHEN %(finished)s AND version = %(version)s AND topics_version = %(topics_version)s
                 THEN 'idle' ELSE 'waiting' END,
    due_at = statement_timestamp() + make_interval(secs => %(wait)s),
    attempts = CASE WHEN %(reached)s THEN 0 ELSE attempts END,
    throttles = CASE WHEN %(reached)s THEN 0 ELSE throttles END,
    failing_since = CASE WHEN NOT %(reached)s THEN failing_since END,
    last_error = CASE WHEN %(reached)s THEN '' ELSE last_error END
{_OWNED} RETURNING state
"""

_PUT_BACK = f"""
UPDATE newsletter_segmentwish SET {_KNOWN},
    state = 'waiting', due_at = statement_timestamp() + make_interval(secs => %(wait)s),
    attempts = attempts + %(failed)s, throttles = throttles + %(throttles)s,
    failing_since = CASE WHEN %(failed)s + %(throttles)s > 0
                         THEN coalesce(failing_since, statement_timestamp())
                         ELSE failing_since END,
    last_error = CASE WHEN %(error)s = '' THEN last_error ELSE %(error)s END
{_OWNED}
"""

_GIVE_UP = f"""
UPDATE newsletter_segmentwish SET {_KNOWN},
    state = 'dead', due_at = NULL, waiting_since = NULL, attempts = attempts + %(failed)s,
    failing_since = coalesce(failing_since, statement_timestamp()), last_error = %(error)s
{_OWNED}
"""

# The row of the pass, and the wish's columns for it as good as new.
_ENDING = """
WITH ended AS (
    UPDATE newsletter_segmentwish wish
       SET pass_started_at = NULL, pass_before = NULL, pass_listed = false, pass_calls = 0,
           pass_retries = 0, pass_throttles = 0, pass_latency_ms = 0,
           due_at = CASE WHEN wish.state = 'idle' THEN NULL ELSE wish.due_at END,
           waiting_since = CASE WHEN wish.state = 'idle' THEN NULL ELSE wish.waiting_since END
      FROM (SELECT * FROM newsletter_segmentwish WHERE contact_id = %(contact)s FOR UPDATE) was
     WHERE wish.contact_id = was.contact_id
    RETURNING was.*
)
INSERT INTO newsletter_segmentpass
       (month, contact_id, brand_id, account_id, version, target_segment, score, mode,
        segments_before, segments_after, calls, retries, throttles, latency_ms, outcome, error,
        correlation_id, wished_at, started_at, ended_at)
SELECT date_trunc('month', statement_timestamp() AT TIME ZONE 'UTC')::date, contact_id, brand_id,
       account_id, version, target_segment, score, %(mode)s, pass_before, known_segments,
       pass_calls, pass_retries, pass_throttles, pass_latency_ms, %(outcome)s, %(error)s,
       correlation_id, wished_at, coalesce(pass_started_at, statement_timestamp()),
       statement_timestamp()
  FROM ended
"""


def settle(
    wish: Claimed, called: Called, *, finished: bool, wait_seconds: float, reached: bool = True
) -> bool:
    """The call succeeded and `wish` holds what is known now; whether its pass has ended.

    With `reached` False the provider answered that there is nothing, which pays off no attempt.
    """
    facts = {**_facts(wish, called), "finished": finished, "wait": wait_seconds, "reached": reached}
    with transaction.atomic():
        state = _run(_SETTLE, facts)
        if state == WishState.IDLE:
            _end_pass(wish, "done", "")
            dead_letters.close_for_subject(
                subject=DEAD_LETTER_SUBJECT, subject_id=wish.contact_id, note="done since"
            )
    return state == WishState.IDLE


def put_back(  # noqa: PLR0913 - what a failure comes to
    wish: Claimed,
    called: Called,
    *,
    wait_seconds: float,
    failed: bool = False,
    exists: bool = False,
    error: str = "",
) -> None:
    """It waits again: after a failure that is tried again, after a 429, or without a call.

    `failed` costs an attempt; with `exists` the contact turned out to be there already.
    """
    facts = {**_facts(wish, called), "wait": wait_seconds, "failed": int(failed)}
    _run(_PUT_BACK, {**facts, "exists": exists, "error": error[:ERROR_LIMIT]})


def give_up(wish: Claimed, called: Called, *, reason: str, error: str) -> None:
    """Dead, with a letter, until it is driven again or somebody wishes anew."""
    failed = int(called.calls > 0 and called.throttles == 0)
    facts = {**_facts(wish, called), "error": error[:ERROR_LIMIT], "failed": failed}
    with transaction.atomic():
        if _run(_GIVE_UP, facts) is None:
            return
        _end_pass(wish, "dead", f"{reason}: {error}"[:ERROR_LIMIT])
        dead_letters.record(
            queue=Queue.SEGMENTS,
            task=TaskName.WORK_SEGMENTS,
            subject=DEAD_LETTER_SUBJECT,
            subject_id=wish.contact_id,
            reason=reason,
            error=error,
            attempts=wish.attempts + failed,
            payload={"account_id": wish.account_id},
        )


def redrive_wish(contact_id: int) -> None:
    """For dead letters: the newest wish gets new attempts, and what was known is asked anew."""
    with connection.cursor() as cursor:
        cursor.execute(_REDRIVE, [contact_id])


_REDRIVE = """
UPDATE newsletter_segmentwish
   SET state = 'waiting', waiting_since = statement_timestamp(), due_at = statement_timestamp(),
       attempts = 0, throttles = 0, failing_since = NULL, known_segments = NULL, known_at = NULL,
       known_topics = NULL, known_unsubscribed = NULL
 WHERE contact_id = %s AND state = 'dead'
"""


def brand_of_wish(contact_id: int) -> int | None:
    wishes = SegmentWish.objects.filter(pk=contact_id)
    brand: int | None = wishes.values_list("brand_id", flat=True).first()
    return brand


def _facts(wish: Claimed, called: Called) -> dict[str, Any]:
    topics = None if wish.known_topics is None else orjson.dumps(dict(wish.known_topics)).decode()
    return {
        "contact": wish.contact_id,
        "fence": wish.fence,
        "version": wish.version,
        "topics_version": wish.topics_version,
        "provider_id": wish.provider_contact_id,
        "known": None if wish.known is None else list(wish.known),
        "known_topics": topics,
        "known_unsubscribed": wish.known_unsubscribed,
        "delete_as": wish.delete_as,
        "listed": wish.listed,
        "told_now": called.told_now,
        "exists": False,
        "before": None if called.before is None else list(called.before),
        "calls": called.calls,
        "retries": called.retries,
        "throttles": called.throttles,
        "latency": round(called.latency_ms),
    }


def _run(statement: str, facts: dict[str, Any]) -> str | None:
    """The state it left, or an empty one; None where somebody else owns the row by now."""
    with connection.cursor() as cursor:
        cursor.execute(statement, facts)
        if not cursor.rowcount:
            log.warning("segment_fence_lost", contactId=facts["contact"], fence=facts["fence"])
            return None
        return str(cursor.fetchone()[0]) if cursor.description else ""


def _end_pass(wish: Claimed, outcome: str, error: str) -> None:
    facts: dict[str, Any] = {
        "contact": wish.contact_id,
        "mode": wish.mode,
        "outcome": outcome,
        "error": error,
    }
    with connection.cursor() as cursor:
        cursor.execute(_ENDING, facts)
    figures.note_units(Queue.SEGMENTS, 1)
