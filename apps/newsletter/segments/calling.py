"""One call at its slot, with everything that is told of it: limiter, breaker, log, figures."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from apps.mail.resend import NewContact, ResendFailure, SurelyNotSent
from apps.mail.resend.trouble import is_missed_slot, report_call
from apps.newsletter.segments.deciding import Operation
from apps.newsletter.segments.telling import tell_call
from apps.queues.limiting import CallClass, Held

if TYPE_CHECKING:
    from apps.mail.resend import ContactCalls, Reply
    from apps.mail.sending import Door
    from apps.newsletter.segments.claiming import Claimed
    from apps.newsletter.segments.deciding import Step
    from apps.queues.breaking import Permit
    from apps.queues.limiting import Slot

SLOT_WAIT_MS = 2_000
# Whoever gets no slot in so long hands the contact back and leaves.
SLOT_SECONDS = 3.0


def call(wish: Claimed, step: Step, door: Door, permit: Permit) -> Reply[object] | None:
    """Makes the call; None where the limiter had no slot for it.

    Raises the call's `ResendFailure`, after it has been told.
    """
    try:
        reply = _call_at_slot(wish, step, door)
    except ResendFailure as failure:
        report_call(permit, failure)
        door.follow(failure.rate)
        kind = type(failure).__name__
        tell_call(door.account, wish, step, failure.status, failure.latency_ms, outcome=kind)
        raise
    if reply is not None:
        report_call(permit, None)
        door.follow(reply.rate)
        tell_call(door.account, wish, step, reply.status, reply.latency_ms, outcome="ok")
    return reply


def _call_at_slot(wish: Claimed, step: Step, door: Door) -> Reply[object] | None:
    ends_at = time.monotonic() + SLOT_SECONDS
    door.client.connect_ahead()
    while (slot := _slot_until(ends_at, door)) is not None:
        if not slot.wait():
            continue
        try:
            return _ask(door.client.contacts, wish, step, slot.leave_by)
        except SurelyNotSent as failure:
            if not is_missed_slot(failure):
                raise
    return None


def _slot_until(ends_at: float, door: Door) -> Slot | None:
    while True:
        answer = door.limiter.reserve(SLOT_WAIT_MS, call_class=CallClass.SEGMENT)
        if not isinstance(answer, Held):
            return answer
        if time.monotonic() + answer.retry_in_s > ends_at:
            return None
        time.sleep(answer.retry_in_s)


def _ask(calls: ContactCalls, wish: Claimed, step: Step, leave_by: float) -> Reply[object]:
    contact = wish.named
    reply: Reply[object]
    match step.operation:
        case Operation.CREATE:
            reply = calls.create(_new_contact(wish, step), leave_by=leave_by)
        case Operation.ADD:
            reply = calls.add_segment(contact, step.segments[0], leave_by=leave_by)
        case Operation.REMOVE:
            reply = calls.remove_segment(contact, step.segments[0], leave_by=leave_by)
        case Operation.SET:
            reply = calls.set_segments(contact, step.segments, leave_by=leave_by)
        case Operation.TOPICS:
            reply = calls.update_topics(contact, wish.topics, leave_by=leave_by)
        case Operation.UPDATE:
            left = not wish.is_subscribed
            reply = calls.set_unsubscribed(contact, unsubscribed=left, leave_by=leave_by)
        case Operation.LIST:
            reply = calls.segments(contact, leave_by=leave_by)
        case Operation.DELETE:
            reply = calls.delete(contact, leave_by=leave_by)
    return reply


def _new_contact(wish: Claimed, step: Step) -> NewContact:
    return NewContact(
        email=wish.address,
        first_name=wish.first_name,
        last_name=wish.last_name,
        segments=step.segments,
        topics=wish.topics,
    )
