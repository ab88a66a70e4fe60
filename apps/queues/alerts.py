"""Alerts: raised once, cleared once, told to whoever is on call.

The log line of a raising is an error, so that Sentry gets it too; the webhook is told by
`tell_webhook`, which the watch over the watermarks runs. Whoever calls again while an alert is
open only renews its figures.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import structlog
from django.db import connection, transaction
from django.db.models.functions import Now

from apps.queues.health.models import Alert

if TYPE_CHECKING:
    from collections.abc import Collection

log = structlog.get_logger(__name__)

MESSAGE_LIMIT = 300

_RAISE = """
INSERT INTO queues_alert (kind, subject, message, value, "limit")
VALUES (%(kind)s, %(subject)s, %(message)s, %(value)s, %(limit)s)
ON CONFLICT (kind, subject) WHERE cleared_at IS NULL
DO UPDATE SET message = excluded.message, value = excluded.value, "limit" = excluded."limit",
              last_seen_at = statement_timestamp()
RETURNING id, xmax = 0
"""


def raise_alert(
    *,
    kind: str,
    subject: str,
    message: str,
    value: float | None = None,
    limit: float | None = None,
) -> bool:
    """Opens the alert of this kind about this subject; whether it was not open before.

    `message` is for a person on call: no addresses, keys or bodies. `value` is what was found and
    `limit` what is allowed, in the unit of the kind (rows or seconds).
    """
    facts = {
        "kind": kind,
        "subject": subject,
        "message": message[:MESSAGE_LIMIT],
        "value": value,
        "limit": limit,
    }
    with connection.cursor() as cursor:
        cursor.execute(_RAISE, facts)
        alert_id, is_new = cursor.fetchone()
    if is_new:
        transaction.on_commit(partial(log.error, "alert_raised", alert=alert_id, **facts))
    return bool(is_new)


def clear_alert(*, kind: str, subject: str) -> bool:
    """Closes the open alert; whether there was one."""
    return clear_alerts(kind=kind, subjects=[subject]) == 1


def clear_alerts(*, kind: str, subjects: Collection[str]) -> int:
    """Closes the open alerts of a kind about these subjects; returns how many there were."""
    opened = Alert.objects.open().filter(kind=kind, subject__in=subjects)
    cleared = 0
    for alert in opened.only("pk", "subject"):
        if Alert.objects.open().filter(pk=alert.pk).update(cleared_at=Now(), tell_at=Now()):
            tell = partial(log.info, "alert_cleared", alert=alert.pk, kind=kind)
            transaction.on_commit(partial(tell, subject=alert.subject))
            cleared += 1
    return cleared
