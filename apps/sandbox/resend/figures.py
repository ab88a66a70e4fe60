"""What the stand-in counts about itself, and the log of requests."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from apps.sandbox.faults import Fault
    from apps.sandbox.journal import Journal
    from apps.sandbox.resend.accounts import Account
    from apps.sandbox.resend.call import Call
    from apps.sandbox.resend.errors import Answer
    from apps.sandbox.windows import Admission
    from apps.sandbox.wire import Request

UNANSWERED = frozenset({"reset_before", "reset_after", "timeout_before", "timeout_after"})
"""Faults under which the client gets no status at all."""


@dataclass(slots=True)
class Visit:
    """One request from its arrival to its entry in the log."""

    request: Request
    epoch: float
    account: Account | None = None
    admission: Admission | None = None
    call: Call | None = None
    fault: Fault | None = None
    replayed: bool = False
    """Answered from what is remembered under its key."""


class Figures:
    """Counts by what the client got to see, and one line per request in the log."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.reset()

    def reset(self) -> None:
        self.started_at = time.monotonic()
        self.requests: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.replayed = 0

    @property
    def count(self) -> int:
        """Requests recorded so far."""
        return self.requests.total()

    def record(self, visit: Visit, answer: Answer) -> None:
        """Count and log a request with the answer it gets, unless its fault gives it none."""
        kind = visit.fault.kind.value if visit.fault else None
        status = None if kind in UNANSWERED else answer.status
        self.requests[str(status) if status else str(kind)] += 1
        self.replayed += visit.replayed
        if answer.error is not None and status == 429:  # noqa: PLR2004 - too many requests
            self.refused[answer.error] += 1
        self.journal.append([_line(visit, answer, status=status, fault=kind)])

    @property
    def uptime_seconds(self) -> float:
        return time.monotonic() - self.started_at


def _line(
    visit: Visit, answer: Answer, *, status: int | None, fault: str | None
) -> dict[str, object]:
    request, call = visit.request, visit.call
    return {
        "t": visit.epoch,
        "method": request.method,
        "path": request.path,
        "status": status,
        "error": answer.error,
        "fault": fault,
        "messages": call.messages if call else 0,
        "accepted": call.accepted if call else 0,
        "replayed": visit.replayed,
        "account": visit.account.name if visit.account else None,
        "key": request.headers.get("idempotency-key"),
    }
