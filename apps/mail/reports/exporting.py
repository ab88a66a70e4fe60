"""Recipients as CSV, line by line, so that a million never lie in memory."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

from apps.contacts.importing.formulas import escape_formula
from apps.mail.models import Message
from apps.mail.reports.recipients import everybody
from apps.mail.reports.wording import reason_in_words, state_in_words

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from apps.mail.models import Mailing
    from apps.mail.reports.recipients import Question, Recipient

HEADER = (
    "address",
    "state",
    "reason",
    "reason_text",
    "detail",
    "provider_id",
    "delivery",
    "created_at",
    "settled_at",
    "delivery_at",
    "opened_at",
    "clicked_at",
    "machine_opened_at",
    "machine_clicked_at",
    "message_id",
    "contact_id",
)
LINES_PER_CHUNK = 500


class _Line:
    """What the writer writes to: it only hands the line back."""

    def write(self, text: str) -> str:
        return text


def csv_chunks(mailing: Mailing, question: Question) -> Iterator[bytes]:
    """UTF-8 with a byte order mark, which spreadsheets need; times in UTC, ISO 8601."""
    writer = csv.writer(_Line())
    lines: list[str] = ["\ufeff", writer.writerow(HEADER)]
    for recipient in everybody(mailing, question):
        lines.append(writer.writerow([escape_formula(cell) for cell in _cells(recipient)]))
        if len(lines) >= LINES_PER_CHUNK:
            yield "".join(lines).encode()
            lines = []
    yield "".join(lines).encode()


def _cells(one: Recipient) -> list[str]:
    return [
        one.address,
        state_in_words(one.state),
        one.reason,
        reason_in_words(one.state, one.reason) if one.reason else "",
        one.detail,
        one.provider_id,
        str(Message.Delivery(one.delivery).label) if one.delivery else "",
        *map(_moment, (one.created_at, one.settled_at, one.delivery_at, one.opened_at,
                       one.clicked_at, one.machine_opened_at, one.machine_clicked_at)),
        str(one.message_id),
        "" if one.contact_id is None else str(one.contact_id),
    ]  # fmt: skip


def _moment(value: datetime | None) -> str:
    return "" if value is None else value.isoformat(timespec="seconds")
