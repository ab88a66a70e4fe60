"""What a call that failed means for its contact: the one place that decides it."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from apps.mail.resend import (
    AccountRefused,
    CallNotOffered,
    ContactExists,
    ContactRefused,
    ContactUnknown,
    QuotaExceeded,
    ResendFailure,
    SurelyNotSent,
    Throttled,
)
from apps.mail.sending import stop_account
from apps.newsletter.segments import branches
from apps.newsletter.segments.deciding import Operation, after, doubted, forgotten
from apps.newsletter.segments.settling import (
    DEAD_LETTER_SUBJECT,
    Called,
    give_up,
    interval_seconds,
    put_back,
    settle,
)
from apps.queues.names import Queue
from apps.queues.registry import QUEUES
from apps.queues.throttling import THROTTLED, note_429

if TYPE_CHECKING:
    from apps.mail.sending import Door
    from apps.newsletter.segments.claiming import Claimed
    from apps.newsletter.segments.deciding import Step

# A spent quota ends at midnight; nobody is asked about it more often than this.
QUOTA_WAIT_SECONDS = 900.0


def settle_failure(wish: Claimed, step: Step, failure: ResendFailure, door: Door) -> None:
    """Writes down what the failure means: wait, ask anew, or give up."""
    called = Called(calls=1, latency_ms=failure.latency_ms, before=wish.known)
    interval = interval_seconds(wish)
    match failure:
        case Throttled() | QuotaExceeded():
            _settle_throttled(wish, called, failure, door)
        case AccountRefused():
            stop_account(door.account, str(failure))
            door.account.stopped_at = datetime.now(tz=UTC)  # the turn ends
            put_back(wish, called, wait_seconds=interval, error=str(failure))
        case ContactUnknown() if step.operation is Operation.LIST:
            absent = forgotten(wish, listed=True)
            settle(absent, called, finished=False, wait_seconds=interval, reached=False)
        case ContactUnknown() if step.operation is Operation.DELETE:
            settle(after(wish, step, None), called, finished=True, wait_seconds=interval)
        case ContactUnknown():
            fail(forgotten(wish), called, str(failure))
        case ContactExists():
            fail(forgotten(wish), called, str(failure), exists=True)
        case CallNotOffered() if step.operation is Operation.SET:
            branches.do_without_set()
            put_back(wish, called, wait_seconds=interval, error=str(failure))
        case ContactRefused() | CallNotOffered():
            give_up(wish, called, reason="refused", error=str(failure))
        case SurelyNotSent():
            fail(wish, dataclasses.replace(called, calls=0), str(failure))
        case _:  # it may have been done: only a list can tell
            fail(doubted(wish), called, str(failure))


def fail(wish: Claimed, called: Called, error: str, *, exists: bool = False) -> None:
    """One attempt less; the last one makes a dead letter. `wish` is what is still known."""
    spec = QUEUES[Queue.SEGMENTS]
    attempt = wish.attempts + 1
    if attempt >= spec.attempts:
        give_up(wish, called, reason="attempts_spent", error=error)
        return
    put_back(
        wish,
        dataclasses.replace(called, retries=1),
        wait_seconds=max(interval_seconds(wish), spec.retry_waits.seconds(attempt)),
        failed=True,
        exists=exists,
        error=error,
    )


def _settle_throttled(
    wish: Claimed, called: Called, failure: Throttled | QuotaExceeded, door: Door
) -> None:
    """It costs no attempt, but has a budget of its own: a count and an age, both spent."""
    wait = QUOTA_WAIT_SECONDS
    if isinstance(failure, Throttled):
        wait = failure.retry_after_s
        door.limiter.freeze(wait)
    is_spent = note_429(
        queue=Queue.SEGMENTS,
        subject=DEAD_LETTER_SUBJECT,
        subject_id=wish.contact_id,
        before=wish.throttles,
        seconds=wish.failing_seconds,
    )
    cost = dataclasses.replace(called, throttles=1)
    if is_spent:
        give_up(wish, cost, reason=THROTTLED, error=str(failure))
    else:
        wait_seconds = max(interval_seconds(wish), wait)
        put_back(wish, cost, wait_seconds=wait_seconds, error=str(failure))
