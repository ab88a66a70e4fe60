"""The worker: claim, decide, slot, call, settle; one call for one contact, then the next contact.

A contact's pass takes several turns, SEGMENT_MIN_INTERVAL_MS apart: between them its row waits,
and no process sleeps for it. What was found out so far stands in the row, so that whoever claims
it next goes on from there, and goes on with the newest wish.

Being held back by breaker or limiter costs nothing. No transaction is open during a call. A polite
stop waits for the call under way; nothing else is held.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import structlog

from apps.brands.models import ProviderAccount
from apps.mail.resend import ResendFailure
from apps.mail.sending import Door
from apps.newsletter.segments import legacy
from apps.newsletter.segments.branches import may_set
from apps.newsletter.segments.calling import call
from apps.newsletter.segments.claiming import claim
from apps.newsletter.segments.deciding import (
    TargetNotManagedError,
    after,
    next_step,
)
from apps.newsletter.segments.failing import fail, settle_failure
from apps.newsletter.segments.settling import (
    NO_CALL,
    Called,
    cost_of,
    give_up,
    interval_seconds,
    put_back,
    settle,
)
from apps.queues.correlation import under_correlation_id
from apps.queues.flags import Flag, is_on
from apps.queues.limiting import Held

if TYPE_CHECKING:
    from apps.mail.resend import Reply
    from apps.newsletter.segments.claiming import Claimed
    from apps.newsletter.segments.deciding import Step
    from apps.queues.breaking import Permit

log = structlog.get_logger(__name__)

# One wake-up works this long and then lets the queue's next one in.
TURN_SECONDS = 10.0


def work_segments(*, account_id: int, turn_seconds: float = TURN_SECONDS) -> int:
    """Works off the account's due contacts; returns how many calls it made.

    It ends when none is due, when breaker or limiter hold, or when the turn is over.
    """
    return work_through(
        Door.of(ProviderAccount.objects.get(pk=account_id)), turn_seconds=turn_seconds
    )


def work_through(door: Door, *, turn_seconds: float = TURN_SECONDS) -> int:
    """The same through a door of the caller's."""
    ends_at = time.monotonic() + turn_seconds
    calls = 0
    while door.account.stopped_at is None and time.monotonic() < ends_at:
        permit = door.admit()
        if isinstance(permit, Held):
            break
        with permit:
            wish = claim(account_id=door.account.pk)
            made = None if wish is None else _work(wish, door, permit)
        if made is None:
            break
        calls += made
    return calls


def _work(wish: Claimed, door: Door, permit: Permit) -> int | None:
    """How many calls were made for the contact; None where this worker is to leave."""
    with under_correlation_id(wish.correlation_id):
        try:
            if wish.delete_as or is_on(Flag.SEGMENT_QUEUE):
                return _take_step(wish, door, permit)
            return legacy.run_loop(wish, door, permit)
        except Exception as error:  # a fault of ours must not come back without end either
            log.exception("segment_step_raised", contactId=wish.contact_id)
            fail(wish, NO_CALL, f"a fault of the station: {type(error).__name__}")
            return 0


def _take_step(wish: Claimed, door: Door, permit: Permit) -> int | None:
    try:
        step = next_step(wish, may_set=may_set())
    except TargetNotManagedError:
        give_up(wish, NO_CALL, reason="not_managed", error=f"segment {wish.target} is not managed")
        return 0
    if step is None:
        settle(wish, Called(before=wish.known), finished=True, wait_seconds=0.0)
        return 0
    try:
        reply = call(wish, step, door, permit)
    except ResendFailure as failure:
        settle_failure(wish, step, failure, door)
        return 1
    if reply is None:
        put_back(wish, NO_CALL, wait_seconds=0.0)
        return None
    _settle_done(wish, step, reply)
    return 1


def _settle_done(wish: Claimed, step: Step, reply: Reply[object]) -> None:
    now = after(wish, step, reply.value)
    settle(
        now,
        cost_of(wish, now, step, reply),
        finished=next_step(now, may_set=may_set()) is None,
        wait_seconds=interval_seconds(wish),
    )
