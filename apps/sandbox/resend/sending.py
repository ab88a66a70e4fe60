"""A send from its key to its answer: idempotency, faults, latency."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from apps.sandbox.resend.errors import Answer, ApiError, application_error
from apps.sandbox.resend.spoiling import is_answered_by_provider, spoilt

if TYPE_CHECKING:
    from apps.sandbox.faults import Fault
    from apps.sandbox.resend.call import Call
    from apps.sandbox.resend.idempotency import Entry
    from apps.sandbox.resend.routes import Endpoint

NEVER_REMEMBERED = frozenset({409, 429})
"""Answers about the moment, not about the request."""
SUCCESS = 200


@dataclass(slots=True)
class Sending:
    """What came of a send, until its answer is on its way."""

    call: Call
    fault: Fault | None
    shown: Answer
    """What the client gets to see, if anything."""
    replayed: bool = False
    entry: Entry | None = None
    """A key begun by this request: in flight until `settle`."""
    remembered: Answer | None = None
    """What the key will answer from then on; None sets it free."""

    def settle(self) -> None:
        """The request is no longer in flight. Called when its latency is over."""
        if self.entry is None or self.call.key is None:
            return
        if self.remembered is None:
            self.call.account.idempotency.forget(self.call.key, self.entry)
        else:
            self.entry.answer = self.remembered


def serve_send(call: Call, endpoint: Endpoint, fault: Fault | None, *, now: float) -> Sending:
    """Run a send. Nothing is accepted a second time under a key, whatever the fault."""
    try:
        entry = _begin(call, now=now)
    except ApiError as error:
        return Sending(call, fault, _spoil(error.answer, fault, call))
    if entry is not None and entry.answer is not None:
        return Sending(call, fault, _spoil(entry.answer, fault, call), replayed=True)
    if fault is not None and not fault.accepts:
        shown = _spoil(application_error().answer, fault, call)
        own = shown if is_answered_by_provider(fault) else None
    else:
        own = _run(call, endpoint)
        shown = _spoil(own, fault, call)
    return Sending(call, fault, shown, entry=entry, remembered=_to_remember(own, call))


def _begin(call: Call, *, now: float) -> Entry | None:
    if call.key is None:
        return None
    ttl = call.settings.idempotency_ttl_seconds
    keys = call.account.idempotency
    return keys.begin(call.key, call.request.body, now=now, ttl_seconds=ttl)


def _run(call: Call, endpoint: Endpoint) -> Answer:
    try:
        return endpoint(call)
    except ApiError as error:
        return error.answer


def _spoil(answer: Answer, fault: Fault | None, call: Call) -> Answer:
    return spoilt(answer, fault, call.settings) if fault else answer


def _to_remember(own: Answer | None, call: Call) -> Answer | None:
    if own is None or own.status == SUCCESS:
        return own
    if own.status in NEVER_REMEMBERED or not call.settings.remember_errors:
        return None
    return own
