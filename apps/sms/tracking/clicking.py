"""A click on a tracked link: where it leads, and the event it leaves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db import connection

from apps.sms.calling import doubts
from apps.sms.models import TrackingEvent
from apps.sms.tracking import codes
from apps.sms.tracking.recording import Happening, record

if TYPE_CHECKING:
    from datetime import datetime

    from apps.sms.tracking.codes import Target


@dataclass(frozen=True, slots=True)
class Link:
    """A link in a text that was sent, with what is known of the text."""

    url: str
    target: Target
    brand_id: int
    subscriber_id: int
    message_id: int
    campaign_id: int


def find(code: str) -> Link | None:
    """The link of a code that we made, while its text is in the sent log. One query."""
    target = codes.decode(code)
    if target is None:
        return None
    with connection.cursor() as cursor:
        cursor.execute(_FIND, [target.slot, target.text_day, target.text_id])
        row = cursor.fetchone()
    return Link(row[0], target, *row[1:]) if row else None


def note_click(link: Link, *, by_machine: bool, at: datetime) -> bool:
    """Whether the click is new: another one soon after does not count.

    A person's click proves that a text which was in doubt has arrived.
    """
    kind = TrackingEvent.Type.BOT_CLICK if by_machine else TrackingEvent.Type.CLICK
    happening = Happening(
        brand_id=link.brand_id,
        subscriber_id=link.subscriber_id,
        event_type=kind,
        source=TrackingEvent.Source.LINK,
        occurred_at=at,
        message_id=link.message_id,
        campaign_id=link.campaign_id,
        text_day=link.target.text_day,
        text_id=link.target.text_id,
        link_slot=link.target.slot,
    )
    is_new = record([happening])[0]
    if is_new and not by_machine:
        doubts.settle_proven(
            local_day=link.target.text_day, text_id=link.target.text_id, proof="clicked"
        )
    return is_new


_FIND = """
SELECT l.url, t.brand_id, t.subscriber_id, t.message_id, t.campaign_id
FROM sms_senttext t JOIN sms_textlink l ON l.message_id = t.message_id AND l.slot = %s
WHERE t.local_day = %s AND t.id = %s
"""
