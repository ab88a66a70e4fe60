"""Who opened, clicked or complained, for rooms above that read events by a cursor of their own.

Only events that were worked off are told of, so that whoever looks finds what they changed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import connection

from apps.mail.events.reading import CLICKED, COMPLAINED, DELIVERED, OPENED, WaitingEvent, read
from apps.queues import partitions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from apps.mail.events.reading import Report

PAGE = 2_000
# A delivery can show that an open before was a machine's.
TYPES = (OPENED, CLICKED, COMPLAINED, DELIVERED)

_WAITING = "SELECT id FROM mail_deliveryevent WHERE applied_at IS NULL ORDER BY id LIMIT 1"

# One look-up per partition, whose key is (month, id): an id alone would scan them all.
_PAGE = """
SELECT event.month, event.id, event.account_id, event.type, event.occurred_at,
       CASE WHEN event.type = ANY(%(types)s) THEN event.payload END
  FROM unnest(%(months)s::date[]) AS one (month)
 CROSS JOIN LATERAL (
       SELECT * FROM mail_deliveryevent
        WHERE month = one.month AND id > %(after)s AND id <= %(until)s
        ORDER BY id LIMIT %(page)s
       ) event
 ORDER BY event.id LIMIT %(page)s
"""
_PEOPLE = """
SELECT DISTINCT message.contact_id
  FROM unnest(%(accounts)s::bigint[], %(mailings)s::bigint[], %(messages)s::bigint[],
              %(delivered)s::bool[])
       AS given (account_id, mailing_id, message_id, is_delivery)
  JOIN mail_mailing mailing
    ON mailing.id = given.mailing_id AND mailing.account_id = given.account_id
  JOIN mail_message message
    ON message.month = mailing.month AND message.id = given.message_id
   AND message.mailing_id = mailing.id
 WHERE message.contact_id IS NOT NULL
   AND (NOT given.is_delivery
        OR message.machine_opened_at IS NOT NULL OR message.machine_clicked_at IS NOT NULL)
"""


def applied_until(until: int) -> int:
    """The last id before the first event that still waits to be worked off, at most `until`.

    One that somebody drives again later changes its message after it was passed here.
    """
    with connection.cursor() as cursor:
        cursor.execute(_WAITING)
        row = cursor.fetchone()
    return until if row is None else min(until, int(row[0]) - 1)


def read_people(after: int, until: int) -> tuple[set[int], int]:
    """The contacts whose opens, clicks or complaints the events behind `after` told of.

    And the last event looked at, at most `until`.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            _PAGE,
            {"types": list(TYPES), "months": _months(), "after": after, "until": until,
             "page": PAGE},
        )  # fmt: skip
        rows = cursor.fetchall()
    events = [WaitingEvent(*row) for row in rows if row[5] is not None]
    reports = [(event, report) for event in events if (report := read(event)) is not None]
    reached = rows[-1][1] if len(rows) == PAGE else until
    return (_people(reports) if reports else set()), reached


def _people(reports: Sequence[tuple[WaitingEvent, Report]]) -> set[int]:
    with connection.cursor() as cursor:
        cursor.execute(
            _PEOPLE,
            {
                "accounts": [event.account_id for event, _ in reports],
                "mailings": [report.mailing_id for _, report in reports],
                "messages": [report.message_id for _, report in reports],
                "delivered": [event.type == DELIVERED for event, _ in reports],
            },
        )
        return {row[0] for row in cursor.fetchall()}


def _months() -> list[str]:
    """The first days of the months that have a partition, from the partitions' own names."""
    names = partitions.existing_partitions("mail_deliveryevent")
    return [f"{name[-7:-3]}-{name[-2:]}-01" for name in names]
