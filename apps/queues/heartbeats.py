"""Telling a watcher outside that a scheduled job has run: one call per run, to its own address.

A dead man's switch of any service takes it: no call within the expected time, and somebody is
told, even where this whole station is down.
"""

from __future__ import annotations

from functools import cache
from urllib.parse import urlsplit

import structlog
from django.conf import settings

from apps.queues.outbound import OutboundError, Transport

log = structlog.get_logger(__name__)

CONNECT_SECONDS = 3.0
TOTAL_SECONDS = 5.0
_FIRST_ERROR_STATUS = 400


def beat(schedule: str) -> None:
    """Calls the address of FLUX_HEARTBEAT_URLS for this schedule, if it has one. Never raises."""
    url = settings.HEARTBEAT_URLS.get(schedule)
    if url is None:
        return
    parts = urlsplit(url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        answer = _transport(f"{parts.scheme}://{parts.netloc}").request(
            "POST", path, headers={"Content-Length": "0"}
        )
    except (OutboundError, OSError, ValueError) as error:
        log.warning("heartbeat_failed", schedule=schedule, error=type(error).__name__)
        return
    if answer.status >= _FIRST_ERROR_STATUS:
        log.warning("heartbeat_failed", schedule=schedule, status=answer.status)


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
