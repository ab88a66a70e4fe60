"""The rows of other rooms that say that something happened, read by cursors of our own.

Each of these tables only ever grows, so an id says how far it was read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson
from django.conf import settings
from django.db import connection

from apps.mail.events.machines import HASTE, recogniser
from apps.mail.events.reading import WaitingEvent, read
from apps.mail.reports import links
from apps.queues import partitions
from apps.station.outgoing.event_types import EventType
from apps.station.outgoing.recording import MESSAGE_DATA, record

if TYPE_CHECKING:
    from collections.abc import Callable

    from apps.mail.events.reading import Report

EVENT_PAGE = 500
CONSENT_PAGE = 5_000
# Up to 10,000 people each.
AUDIENCE_PAGES = 1


@dataclass(frozen=True)
class Source:
    """A table, the types of events it can yield, and how a page of it is read.

    `read(after, until, wanted)` records what lies behind `after`, at most up to `until`, and
    returns the last id that it has dealt with.
    """

    table: str
    types: frozenset[str]
    read: Callable[[int, int, frozenset[str]], int]


_MESSAGE_TYPES = {
    "email.delivered": EventType.MESSAGE_DELIVERED,
    "email.bounced": EventType.MESSAGE_BOUNCED,
    "email.complained": EventType.MESSAGE_COMPLAINED,
    "email.opened": EventType.MESSAGE_OPENED,
    "email.clicked": EventType.MESSAGE_CLICKED,
}

# One look-up per partition, whose key is (month, id): an id alone would scan them all.
_EVENT_PAGE = """
SELECT event.month, event.id, event.account_id, event.type, event.occurred_at, event.payload
  FROM unnest(%(months)s::date[]) AS one (month)
 CROSS JOIN LATERAL (
       SELECT * FROM mail_deliveryevent
        WHERE month = one.month AND id > %(after)s AND id <= %(until)s
        ORDER BY id LIMIT %(page)s
       ) event
 ORDER BY event.id LIMIT %(page)s
"""

# An event names its message in tags; that the mailing is of the event's own account is checked,
# because an account's events speak of no other account's mail. Opens and clicks say whether it was
# a machine, as far as that is known by now.
_EVENTS = f"""
SELECT mailing.brand_id, given.type, 'event:' || given.id AS key, message.contact_id,
       given.occurred_at, {MESSAGE_DATA} || given.extra
       || CASE WHEN given.extra ->> 'machine' = ''
                AND given.occurred_at < message.delivered_at
                                        + make_interval(secs => given.haste)
               THEN jsonb_build_object('machine', '{HASTE}') ELSE '{{}}' END AS data
  FROM unnest(%(ids)s::bigint[], %(accounts)s::bigint[], %(mailings)s::bigint[],
              %(messages)s::bigint[], %(types)s::text[], %(moments)s::timestamptz[],
              %(extras)s::jsonb[], %(hastes)s::float[])
       AS given (id, account_id, mailing_id, message_id, type, occurred_at, extra, haste)
  JOIN mail_mailing mailing
    ON mailing.id = given.mailing_id AND mailing.account_id = given.account_id
  JOIN mail_message message
    ON message.month = mailing.month AND message.id = given.message_id
   AND message.mailing_id = mailing.id
  LEFT JOIN campaigns_campaign campaign ON campaign.mailing_id = mailing.id
"""


def read_delivery_events(after: int, until: int, wanted: frozenset[str]) -> int:
    """The provider's events, whether or not mail has worked them off yet."""
    with connection.cursor() as cursor:
        cursor.execute(
            _EVENT_PAGE,
            {"months": _event_months(), "after": after, "until": until, "page": EVENT_PAGE},
        )
        events = [WaitingEvent(*row) for row in cursor.fetchall()]
    concerned = [event for event in events if _MESSAGE_TYPES.get(event.type) in wanted]
    reports = [(event, report) for event in concerned if (report := read(event)) is not None]
    if reports:
        _record_events(reports)
    return events[-1].id if len(events) == EVENT_PAGE else until


def _event_months() -> list[str]:
    """The first days of the months that have a partition, from the partitions' own names."""
    names = partitions.existing_partitions("mail_deliveryevent")
    return [f"{name[-7:-3]}-{name[-2:]}-01" for name in names]


def _record_events(reports: list[tuple[WaitingEvent, Report]]) -> None:
    known = recogniser()
    suspicions = [known.suspect(agent=report.agent, ip=report.ip) for _, report in reports]
    record(
        _EVENTS,
        {
            "ids": [event.id for event, _ in reports],
            "accounts": [event.account_id for event, _ in reports],
            "mailings": [report.mailing_id for _, report in reports],
            "messages": [report.message_id for _, report in reports],
            "types": [str(_MESSAGE_TYPES[event.type]) for event, _ in reports],
            "moments": [event.occurred_at for event, _ in reports],
            "extras": [
                orjson.dumps(_extra(report, suspicion.machine)).decode()
                for (_, report), suspicion in zip(reports, suspicions, strict=True)
            ],
            "hastes": [suspicion.haste for suspicion in suspicions],
        },
    )


def _extra(report: Report, machine: str) -> dict[str, object]:
    """What this event knows beyond the message. `machine` is empty where it may be a person."""
    extra: dict[str, object] = {}
    if report.opened_at or report.clicked_at:
        extra["machine"] = machine
    if report.bounce is not None:
        extra["bounce"] = {"type": report.bounce.kind, "subtype": report.bounce.detail}
    if report.link and not _is_ours(report.link):
        extra["link"] = links.normalise(report.link)
    return extra


def _is_ours(link: str) -> bool:
    """Links to the station itself hold a person's token: who has it may unsubscribe them."""
    return link.lower().startswith(settings.PUBLIC_BASE_URL.lower())


_CONSENT_END = """
SELECT max(id) FROM (
    SELECT id FROM contacts_consentrecord WHERE id > %s AND id <= %s ORDER BY id LIMIT %s) page
HAVING count(*) = %s
"""
_UNSUBSCRIBED = f"""
SELECT contact.brand_id, '{EventType.CONTACT_UNSUBSCRIBED}' AS type,
       'consent:' || record.id AS key, contact.id AS contact_id, record.occurred_at,
       jsonb_strip_nulls(jsonb_build_object(
           'contact_id', contact.id, 'email', contact.address, 'source', record.source,
           'detail', nullif(record.detail, ''))) AS data
  FROM contacts_consentrecord record JOIN contacts_contact contact ON contact.id = contact_id
 WHERE record.id > %(after)s AND record.id <= %(until)s AND record.kind = 'unsubscribed'
"""


def read_consents(after: int, until: int, _wanted: frozenset[str]) -> int:
    """Who left; who left a topic alone stays, and is no news here."""
    end = _page_end(_CONSENT_END, after, until, CONSENT_PAGE)
    record(_UNSUBSCRIBED, {"after": after, "until": end})
    return end


_AUDIENCE_END = _CONSENT_END.replace("contacts_consentrecord", "mail_audiencepage")
# Skipped while planning: those have no batch, and their pages say where they are.
_SKIPPED = f"""
SELECT mailing.brand_id, '{EventType.MESSAGE_SKIPPED}' AS type,
       concat_ws(':', 'message', message.id, 0, 'skipped') AS key, message.contact_id,
       message.settled_at AS occurred_at, {MESSAGE_DATA} AS data
  FROM mail_audiencepage page
  JOIN mail_mailing mailing ON mailing.id = page.mailing_id
  JOIN mail_message message
    ON message.month = mailing.month AND message.mailing_id = mailing.id
   AND message.contact_id > page.after_contact AND message.contact_id <= page.until_contact
   AND message.idempotency_key IS NULL AND message.batch_id IS NULL
   AND message.state = 'skipped'
  LEFT JOIN campaigns_campaign campaign ON campaign.mailing_id = mailing.id
 WHERE page.id > %(after)s AND page.id <= %(until)s AND page.skipped <> '{{}}'
"""


def read_audience_pages(after: int, until: int, _wanted: frozenset[str]) -> int:
    end = _page_end(_AUDIENCE_END, after, until, AUDIENCE_PAGES)
    record(_SKIPPED, {"after": after, "until": end})
    return end


def _page_end(statement: str, after: int, until: int, page: int) -> int:
    """The last id of a full page, or `until` where what is left does not fill one."""
    with connection.cursor() as cursor:
        cursor.execute(statement, [after, until, page, page])
        row = cursor.fetchone()
    return int(row[0]) if row else until


SOURCES = (
    Source("mail_deliveryevent", frozenset(_MESSAGE_TYPES.values()), read_delivery_events),
    Source("contacts_consentrecord", frozenset({EventType.CONTACT_UNSUBSCRIBED}), read_consents),
    Source("mail_audiencepage", frozenset({EventType.MESSAGE_SKIPPED}), read_audience_pages),
)
