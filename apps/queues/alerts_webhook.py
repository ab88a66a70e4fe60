"""Telling another system, such as a pager, of alerts: POST to FLUX_ALERT_WEBHOOK_URL.

    {"event": "alert.raised" or "alert.cleared", "id": 7, "kind": "queue_depth",
     "subject": "batch-email", "message": "…", "value": 6000.0, "limit": 5000.0,
     "raised_at": "2026-01-31T09:00:00+00:00", "cleared_at": null, "station": "https://…"}

Any status below 300 is thanks. Each telling is claimed in the database and tried again with growing
waits, for a day or so; a receiver may get one twice and tells them apart by `id` and `event`.
"""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import structlog
from django.conf import settings
from django.db import connection

from apps.queues.models import Alert
from apps.queues.outbound import OutboundError, Transport

if TYPE_CHECKING:
    from datetime import datetime

log = structlog.get_logger(__name__)

CONNECT_SECONDS = 3.0
TOTAL_SECONDS = 5.0
TOLD_AT_MOST = 10
"""In one go: whoever tells has queues to watch."""
TRIES = 30
_FIRST_WAIT_SECONDS = 15
_LONGEST_WAIT_SECONDS = 3600
_FIRST_OTHER_STATUS = 300

_CLAIM = f"""
UPDATE queues_alert
   SET tellings = tellings + 1,
       tell_at = CASE WHEN tellings + 1 < {TRIES} THEN statement_timestamp() + make_interval(
           secs => least({_LONGEST_WAIT_SECONDS}, {_FIRST_WAIT_SECONDS} * 2 ^ least(tellings, 10)))
       END
 WHERE id = (SELECT id FROM queues_alert WHERE tell_at <= statement_timestamp()
              ORDER BY tell_at, id LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING id
"""
# A clearing that came while the raising was told is told next.
_TOLD = """
UPDATE queues_alert
   SET told_at = coalesce(told_at, statement_timestamp()),
       clearing_told_at = CASE WHEN %(clearing)s THEN statement_timestamp() END,
       tellings = 0,
       tell_at = CASE WHEN cleared_at IS NOT NULL AND NOT %(clearing)s
                      THEN statement_timestamp() END
 WHERE id = %(id)s
"""


def tell_webhook() -> int:
    """Tells what is to be told; returns how many were. Never raises because of the receiver."""
    if not settings.ALERT_WEBHOOK_URL:
        Alert.objects.filter(tell_at__isnull=False).update(tell_at=None)
        return 0
    told = 0
    for _ in range(TOLD_AT_MOST):
        alert = _claim()
        if alert is None:
            break
        clearing = alert.told_at is not None
        if _post(alert, clearing=clearing):
            with connection.cursor() as cursor:
                cursor.execute(_TOLD, {"id": alert.pk, "clearing": clearing})
            told += 1
    return told


def _claim() -> Alert | None:
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM)
        row = cursor.fetchone()
    return Alert.objects.get(pk=row[0]) if row else None


def _post(alert: Alert, *, clearing: bool) -> bool:
    parts = urlsplit(settings.ALERT_WEBHOOK_URL)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    body = json.dumps(_payload(alert, clearing=clearing)).encode()
    headers = {"Content-Type": "application/json", "User-Agent": "flux-station"}
    problem: str | int
    try:
        answer = _transport(f"{parts.scheme}://{parts.netloc}").request(
            "POST", path, headers=headers, body=body
        )
        problem = answer.status
        if answer.status < _FIRST_OTHER_STATUS:
            return True
    except (OutboundError, OSError, ValueError) as error:
        problem = f"{type(error).__name__} {error}"
    given_up = alert.tell_at is None
    log.warning("alert_not_told", alert=alert.pk, problem=problem, given_up=given_up)
    return False


def _payload(alert: Alert, *, clearing: bool) -> dict[str, Any]:
    return {
        "event": "alert.cleared" if clearing else "alert.raised",
        "id": alert.pk,
        "kind": alert.kind,
        "subject": alert.subject,
        "message": alert.message,
        "value": alert.value,
        "limit": alert.limit,
        "raised_at": _iso(alert.raised_at),
        "cleared_at": _iso(alert.cleared_at),
        "station": settings.PUBLIC_BASE_URL,
    }


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


@cache
def _transport(origin: str) -> Transport:
    return Transport(
        origin,
        connect_timeout_s=CONNECT_SECONDS,
        read_timeout_s=TOTAL_SECONDS,
        total_timeout_s=TOTAL_SECONDS,
        max_answer_bytes=64 * 1024,
        cut_answers=True,
    )
