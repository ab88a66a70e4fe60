"""A call about contacts from its fault to the log: who was asked about, and from when to when.

The log is the judge of whoever must never ask twice at once about one contact, or too soon.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from apps.sandbox.resend.errors import Answer, ApiError, application_error
from apps.sandbox.resend.figures import UNANSWERED
from apps.sandbox.resend.spoiling import spoilt

if TYPE_CHECKING:
    from apps.sandbox.faults import Fault
    from apps.sandbox.resend.call import Call
    from apps.sandbox.resend.figures import Visit
    from apps.sandbox.resend.routes import Route


def serve_contact_call(call: Call, route: Route, fault: Fault | None) -> Answer:
    """Run it, unless its fault comes before that; the answer as the client gets to see it."""
    if fault is not None and not fault.accepts:
        return spoilt(application_error().answer, fault, call.settings)
    try:
        answer = route.endpoint(call)
    except ApiError as error:
        answer = error.answer
    return spoilt(answer, fault, call.settings) if fault else answer


def log_line(visit: Visit, call: Call, route: Route, answer: Answer, *, ended: float) -> object:
    """`asked` is what the path named; the contact is told as it is afterwards. Unix seconds."""
    fault = visit.fault.kind.value if visit.fault else None
    contact = call.contact
    return {
        "t": call.epoch,
        "ended": ended,
        "account": call.account.name,
        "operation": route.operation,
        "asked": call.parameter,
        "contact": contact.id if contact else None,
        "email": contact.email if contact else None,
        "segment": call.parameters[1] if len(call.parameters) > 1 else None,
        "status": None if fault in UNANSWERED else answer.status,
        "error": answer.error,
        "fault": fault,
        "segments": sorted(contact.segments) if contact else None,
        "topics": dict(contact.topics) if contact else None,
        "unsubscribed": contact.unsubscribed if contact else None,
    }
