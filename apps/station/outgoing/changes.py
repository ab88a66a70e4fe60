"""Changes that triggers noted: mailings' states, batches' counts, missed campaigns, erasures.

A note is deleted in the transaction that records what it says, so each counts once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import structlog
from django.db import connection, transaction

from apps.mail.models import Mailing
from apps.station.outgoing.event_types import EventType
from apps.station.outgoing.models import LedgerChange
from apps.station.outgoing.recording import MESSAGE_DATA, record, wanted_types

if TYPE_CHECKING:
    from datetime import datetime

    # id, kind, object_id, previous, state, reason, at
    Note = tuple[int, str, int, str, str, str, datetime]

log = structlog.get_logger(__name__)

# 50 batches are at most 5,000 messages: a short transaction.
PAGE = 50

_TAKE = f"""
DELETE FROM station_ledgerchange
 WHERE id IN (SELECT id FROM station_ledgerchange
               ORDER BY id LIMIT {PAGE} FOR UPDATE SKIP LOCKED)
RETURNING id, kind, object_id, previous, state, reason, at
"""

# A campaign that is retried when it was complete runs again; that, too, is a resumption.
_TYPES: dict[tuple[str, str], EventType] = {
    ("", Mailing.State.RUNNING): EventType.CAMPAIGN_LAUNCHED,
    (Mailing.State.PAUSED, Mailing.State.RUNNING): EventType.CAMPAIGN_RESUMED,
    (Mailing.State.COMPLETED, Mailing.State.RUNNING): EventType.CAMPAIGN_RESUMED,
    (Mailing.State.RUNNING, Mailing.State.PAUSED): EventType.CAMPAIGN_PAUSED,
    (Mailing.State.RUNNING, Mailing.State.COMPLETED): EventType.CAMPAIGN_COMPLETED,
    (Mailing.State.RUNNING, Mailing.State.CANCELLED): EventType.CAMPAIGN_CANCELLED,
    (Mailing.State.PAUSED, Mailing.State.CANCELLED): EventType.CAMPAIGN_CANCELLED,
}

# Mailings that are no campaigns (streams of single mails, digests) have no events of their own.
_CAMPAIGNS = f"""
SELECT campaign.brand_id, given.type, 'change:' || given.id AS key, NULL::bigint AS contact_id,
       given.at AS occurred_at,
       jsonb_strip_nulls(jsonb_build_object(
           'campaign_id', campaign.id, 'mailing_id', campaign.mailing_id, 'name', campaign.name,
           'slug', nullif(campaign.slug, ''), 'state', given.state,
           'previous_state', nullif(given.previous, ''), 'reason', nullif(given.reason, ''),
           'launched_at', campaign.launched_at,
           'counts', CASE WHEN given.state IN ('completed', 'cancelled') THEN counts.counts END))
       AS data
  FROM unnest(%(ids)s::bigint[], %(kinds)s::text[], %(objects)s::bigint[], %(types)s::text[],
              %(previous)s::text[], %(states)s::text[], %(reasons)s::text[],
              %(moments)s::timestamptz[])
       AS given (id, kind, object_id, type, previous, state, reason, at)
  JOIN campaigns_campaign campaign
    ON (given.kind = '{LedgerChange.Kind.MAILING}' AND campaign.mailing_id = given.object_id)
    OR (given.kind = '{LedgerChange.Kind.CAMPAIGN}' AND campaign.id = given.object_id)
  LEFT JOIN LATERAL (
       SELECT jsonb_build_object('sent', coalesce(sum(sent), 0), 'failed', coalesce(sum(failed), 0),
                                 'unknown', coalesce(sum(unknown), 0)) AS counts
         FROM mail_batch WHERE mailing_id = campaign.mailing_id
       ) counts ON given.state IN ('completed', 'cancelled')
"""

_BATCHES = f"""
SELECT mailing.brand_id, 'message.' || message.state AS type,
       concat_ws(':', 'message', message.id, batch.id, message.state) AS key, message.contact_id,
       message.settled_at AS occurred_at, {MESSAGE_DATA} AS data
  FROM mail_batch batch
  JOIN mail_message message ON message.month = batch.month AND message.batch_id = batch.id
  JOIN mail_mailing mailing ON mailing.id = message.mailing_id
  LEFT JOIN campaigns_campaign campaign ON campaign.mailing_id = mailing.id
 WHERE batch.id = ANY (%(batches)s) AND message.state <> 'pending'
"""
_BATCH_TYPES = frozenset(
    {
        EventType.MESSAGE_SENT,
        EventType.MESSAGE_FAILED,
        EventType.MESSAGE_SKIPPED,
        EventType.MESSAGE_UNKNOWN,
    }
)


# The provider's words in `detail` may quote the address.
_FORGET = """
UPDATE station_webhookevent SET data = data - '{email,detail}'::text[]
 WHERE contact_id = ANY (%s)
"""


def read_changes() -> int:
    """Takes a page of notes and records what they say; returns how many notes it took."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(_TAKE)
            notes: list[Note] = sorted(cursor.fetchall())
        wanted = wanted_types()
        _record_campaigns([note for note in notes if _type_of(note) in wanted])
        batches = {note[2] for note in notes if note[1] == LedgerChange.Kind.BATCH}
        if batches and wanted & _BATCH_TYPES:
            record(_BATCHES, {"batches": sorted(batches)})
        _forget({note[2] for note in notes if note[1] == LedgerChange.Kind.CONTACT})
    return len(notes)


def _type_of(note: Note) -> EventType | None:
    _, kind, _, previous, state, *_ = note
    if kind == LedgerChange.Kind.CAMPAIGN:
        return EventType.CAMPAIGN_MISSED
    return _TYPES.get((previous, state)) if kind == LedgerChange.Kind.MAILING else None


def _forget(contacts: set[int]) -> None:
    """Erased people's addresses go from what was recorded, and from what still is to be sent."""
    if contacts:
        with connection.cursor() as cursor:
            cursor.execute(_FORGET, [sorted(contacts)])
        log.info("webhook_events_forgot", contacts=len(contacts))


def _record_campaigns(notes: list[Note]) -> None:
    if not notes:
        return
    columns: list[Any] = [list(column) for column in zip(*notes, strict=True)]
    ids, kinds, objects, previous, states, reasons, moments = columns
    record(
        _CAMPAIGNS,
        {
            "ids": ids,
            "kinds": kinds,
            "objects": objects,
            "types": [str(_type_of(note)) for note in notes],
            "previous": previous,
            "states": states,
            "reasons": reasons,
            "moments": moments,
        },
    )
