"""The mails an account has sent, newest readable first."""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import Any

from apps.sandbox.resend.errors import invalid_uuid, not_found
from apps.sandbox.resend.pages import is_uuid


@dataclass(slots=True)
class Email:
    id: str
    accepted_at: float
    """Unix seconds."""
    address: str
    """The first recipient, which decides what becomes of the mail."""
    message: dict[str, Any]
    """As it was sent; html and text are dropped from all but the newest mails."""
    starts_at: float
    """When it leaves: `accepted_at`, or later where it was scheduled."""
    tags: dict[str, str]
    """As an object, the way they come back in webhooks."""

    @property
    def message_id(self) -> str:
        """The RFC 5322 Message-ID."""
        return f"<{self.id}@sandbox.resend.dev>"


class Mailbox:
    """Bounded: a benchmark of a million mails must not fill the memory."""

    def __init__(self) -> None:
        self._by_id: OrderedDict[str, Email] = OrderedDict()
        self._with_body: deque[Email] = deque()

    def add(self, emails: list[Email], *, keep_emails: int, keep_bodies: int) -> None:
        self._by_id.update((email.id, email) for email in emails)
        self._with_body.extend(emails)
        while len(self._with_body) > keep_bodies:
            old = self._with_body.popleft()
            old.message["html"] = old.message["text"] = None
        while len(self._by_id) > keep_emails:
            self._by_id.popitem(last=False)

    def find(self, email_id: str) -> Email:
        if not is_uuid(email_id):
            raise invalid_uuid()
        if (email := self._by_id.get(email_id)) is None:
            raise not_found("Email")
        return email

    def newest_first(self) -> list[Email]:
        return list(reversed(self._by_id.values()))

    def clear(self) -> None:
        self._by_id.clear()
        self._with_body.clear()
