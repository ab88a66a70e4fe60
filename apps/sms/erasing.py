"""Removing a person who got texts: what is known goes, that they must not come back stays.

The digest among the suppressions recognises the number without holding it (see `digests`). Rows
of the sent log and of events belong to figures: they lose the number and keep what was counted.
"""

from __future__ import annotations

from typing import Any

import structlog
from django.db import connection, transaction

from apps.sms import digests
from apps.sms.models import Subscriber, Subscription

log = structlog.get_logger(__name__)

# No country has this code (E.164 keeps it spare); 12 digits hold any id that there will be.
PLACEHOLDER = "+999"


class UnknownSubscriberError(Exception):
    """There is no such subscriber, or the person has been erased already."""


def erase_subscriber(*, subscriber_id: int, by: str) -> None:
    """Erases the person for all brands. Raises `UnknownSubscriberError`.

    Waits for calls that add numbers, which have looked for erased ones before.
    """
    with transaction.atomic():
        digests.wait_for_additions()
        found = Subscriber.objects.select_for_update().filter(pk=subscriber_id).first()
        if found is None:
            raise UnknownSubscriberError("There is no such subscriber any more.")
        facts: dict[str, Any] = {
            "id": subscriber_id,
            "phone": found.phone,
            "digest": digests.digest(found.phone, version=digests.newest_version()),
            "version": digests.newest_version(),
            "placeholder": f"{PLACEHOLDER}{subscriber_id % 10**12:012d}"[:16],
        }
        with connection.cursor() as cursor:
            for statement in _STATEMENTS:
                cursor.execute(statement, facts)
    log.info("subscriber_erased", subscriber=subscriber_id, by=by)


def brand_ids_knowing(subscriber_id: int) -> list[int]:
    """The brands that lose the person by an erasure."""
    rows = Subscription.objects.filter(subscriber=subscriber_id)
    return list(rows.values_list("brand_id", flat=True))


_STATEMENTS = (
    """
    INSERT INTO sms_phonesuppression (phone_digest, digest_version, reason)
    VALUES (%(digest)s, %(version)s, 'erased') ON CONFLICT DO NOTHING
    """,
    """
    UPDATE sms_senttext
    SET state = 'skipped', reason = 'erased', settled_at = statement_timestamp()
    WHERE subscriber_id = %(id)s AND state = 'reserved'
    """,
    "UPDATE sms_senttext SET phone = %(placeholder)s WHERE subscriber_id = %(id)s",
    """
    UPDATE sms_trackingevent SET keyword = NULL, provider_event_id = ''
    WHERE subscriber_id = %(id)s AND (keyword IS NOT NULL OR provider_event_id <> '')
    """,
    "DELETE FROM sms_limecallback WHERE phone = %(phone)s",
    "DELETE FROM sms_textreply WHERE phone = %(phone)s",
    "DELETE FROM sms_phonesuppression WHERE phone = %(phone)s",
    "DELETE FROM sms_texttally WHERE subscriber_id = %(id)s",
    "DELETE FROM sms_listmember WHERE subscriber_id = %(id)s",
    "DELETE FROM sms_subscription WHERE subscriber_id = %(id)s",
    "DELETE FROM sms_subscriber WHERE id = %(id)s",
)
