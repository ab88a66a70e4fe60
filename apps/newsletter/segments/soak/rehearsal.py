"""A provider in memory, for dry runs: the calls of `ContactCalls`, a limit and a latency."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING, TypeVar

from apps.mail.resend import ContactExists, ContactUnknown, RateLimit, Reply, Throttled
from apps.mail.resend.contacts import Member, MembersPage
from apps.mail.resend.errors import CallFacts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from apps.mail.resend import NewContact, ResendFailure

T = TypeVar("T")


class Rehearsal:
    """Takes the place of a `ResendClient` where only contacts are asked about."""

    def __init__(self, *, rate_limit: int, latency_ms: float) -> None:
        self.contacts = RehearsedCalls(rate_limit=rate_limit, latency_ms=latency_ms)

    def connect_ahead(self) -> None:
        """There is nothing to connect to."""


class RehearsedCalls:
    """Never more than `rate_limit` calls in any second; more are refused as the provider would."""

    def __init__(self, *, rate_limit: int, latency_ms: float) -> None:
        self._rate_limit = rate_limit
        self._latency_s = latency_ms / 1000
        self._lock = threading.Lock()
        self._admitted: deque[float] = deque()
        self._segments: dict[str, dict[str, None]] = {}

    def create(self, new: NewContact, *, leave_by: float | None = None) -> Reply[str]:
        self._pass_gate(leave_by)
        with self._lock:
            if new.email in self._segments:
                raise _refused(ContactExists, 409, "already_exists")
            self._segments[new.email] = dict.fromkeys(new.segments)
        return self._reply(new.email, 201)

    def segments(self, contact: str, *, leave_by: float | None = None) -> Reply[tuple[str, ...]]:
        self._pass_gate(leave_by)
        return self._reply(tuple(self._of(contact)))

    def add_segment(
        self, contact: str, segment_id: str, *, leave_by: float | None = None
    ) -> Reply[None]:
        self._pass_gate(leave_by)
        self._of(contact)[segment_id] = None
        return self._reply(None)

    def remove_segment(
        self, contact: str, segment_id: str, *, leave_by: float | None = None
    ) -> Reply[None]:
        self._pass_gate(leave_by)
        found = self._of(contact)
        if segment_id not in found:
            raise _refused(ContactUnknown, 404, "not_found")
        del found[segment_id]
        return self._reply(None)

    def set_segments(
        self, contact: str, segment_ids: Iterable[str], *, leave_by: float | None = None
    ) -> Reply[None]:
        self._pass_gate(leave_by)
        self._of(contact)
        self._segments[contact] = dict.fromkeys(segment_ids)
        return self._reply(None)

    def set_unsubscribed(
        self, contact: str, *, unsubscribed: bool, leave_by: float | None = None
    ) -> Reply[None]:
        """Nothing is judged by it: only that the contact is there."""
        del unsubscribed
        self._pass_gate(leave_by)
        self._of(contact)
        return self._reply(None)

    def update_topics(
        self, contact: str, choices: Mapping[str, str], *, leave_by: float | None = None
    ) -> Reply[None]:
        """The same."""
        del choices
        self._pass_gate(leave_by)
        self._of(contact)
        return self._reply(None)

    def members(
        self, segment_id: str, *, after: str = "", leave_by: float | None = None
    ) -> Reply[MembersPage]:
        """All of them on one page. It is the judge's look, and counts against no limit."""
        del after, leave_by
        with self._lock:
            found = [email for email, ids in self._segments.items() if segment_id in ids]
        return self._reply(MembersPage(tuple(Member(email, email) for email in found), False))

    def _of(self, contact: str) -> dict[str, None]:
        if contact not in self._segments:
            raise _refused(ContactUnknown, 404, "not_found")
        return self._segments[contact]

    def _pass_gate(self, leave_by: float | None) -> None:
        del leave_by  # it leaves at once
        now = time.monotonic()
        with self._lock:
            while self._admitted and now - self._admitted[0] >= 1.0:
                self._admitted.popleft()
            if len(self._admitted) >= self._rate_limit:
                raise _refused(Throttled, 429, "rate_limit_exceeded")
            self._admitted.append(now)
        time.sleep(self._latency_s)

    def _reply(self, value: T, status: int = 200) -> Reply[T]:
        rate = RateLimit(limit=float(self._rate_limit))
        return Reply(value, status, rate, self._latency_s * 1000)


def _refused(kind: type[ResendFailure], status: int, name: str) -> ResendFailure:
    return kind(CallFacts(name=name, status=status))
