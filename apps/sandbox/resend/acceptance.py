"""The moment a message is accepted: it gets an id, is written to the log, and starts to live."""

from __future__ import annotations

import os
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from apps.sandbox.resend.mailbox import Email
from apps.sandbox.resend.validation import Checked, scheduled_time

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from apps.sandbox.journal import Journal
    from apps.sandbox.resend.accounts import Account
    from apps.sandbox.resend.webhooks import Courier

_VARIANTS = "89ab"


class Acceptance:
    """Accepts checked messages. The log is complete before an answer is on its way."""

    def __init__(self, journal: Journal, courier: Courier) -> None:
        self.journal = journal
        self.count = 0
        """Messages accepted so far."""
        self._courier = courier

    def accept(
        self, account: Account, checked: Sequence[Checked], *, epoch: float, key: str | None
    ) -> list[str]:
        """The ids of the messages, in order.

        Raises:
            ApiError: 429 where a quota does not hold them all; then none is accepted.
        """
        settings = account.settings
        recipients = sum(item.recipients for item in checked)
        account.quotas.check(
            recipients, epoch=epoch, daily=settings.daily_quota, monthly=settings.monthly_quota
        )
        account.quotas.use(recipients)
        ids = list(new_ids(len(checked)))
        emails = [_email(*pair, epoch=epoch) for pair in zip(ids, checked, strict=True)]
        self.journal.append(
            [
                _log_line(account.name, email, item, key)
                for email, item in zip(emails, checked, strict=True)
            ]
        )
        self.count += len(ids)
        self._courier.schedule(account, emails)
        account.mailbox.add(
            emails, keep_emails=settings.keep_emails, keep_bodies=settings.keep_bodies
        )
        return ids


def new_ids(count: int) -> Iterator[str]:
    """Random version 4 UUIDs, from one read of the system's randomness."""
    digits = os.urandom(16 * count).hex()
    for start in range(0, 32 * count, 32):
        d = digits[start : start + 32]
        variant = _VARIANTS[int(d[16], 16) & 3]
        yield f"{d[:8]}-{d[8:12]}-4{d[13:16]}-{variant}{d[17:20]}-{d[20:]}"


def body_digest(message: dict[str, Any]) -> str:
    """SHA-256, in hex, of the html followed by the text, in UTF-8."""
    digest = sha256((message.get("html") or "").encode())
    digest.update((message.get("text") or "").encode())
    return digest.hexdigest()


def _log_line(account: str, email: Email, item: Checked, key: str | None) -> dict[str, object]:
    message = item.message
    return {
        "t": email.accepted_at,
        "account": account,
        "id": email.id,
        "index": item.index,
        "to": item.to,
        "from": message["from"],
        "subject": message["subject"],
        "tags": email.tags,
        "key": key,
        "sha256": body_digest(message),
        "list_unsubscribe": _list_unsubscribe(message.get("headers")),
    }


def _list_unsubscribe(headers: dict[str, str] | None) -> str | None:
    for name, value in (headers or {}).items():
        if name.lower() == "list-unsubscribe":
            return value
    return None


def _email(email_id: str, item: Checked, *, epoch: float) -> Email:
    message = item.message
    scheduled = scheduled_time(message["scheduled_at"]) if message.get("scheduled_at") else None
    return Email(
        id=email_id,
        accepted_at=epoch,
        address=item.to[0],
        message=message,
        starts_at=max(epoch, scheduled or epoch),
        # Tags are sent as a list and come back as an object.
        tags={tag["name"]: tag.get("value", "") for tag in message.get("tags") or ()},
    )
