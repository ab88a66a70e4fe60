"""Taking a call: kept as one row, answered at once, stored by the workers of the queue `pulse`."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson
import structlog
import zstandard
from django.conf import settings
from django.db import connection

from apps.newsletter.models import PulseCall
from apps.newsletter.pulse.errors import BehindError
from apps.newsletter.pulse.reading import read_interactions
from apps.queues.correlation import correlation_id
from apps.queues.enqueueing import enqueue
from apps.queues.names import TaskName

if TYPE_CHECKING:
    from collections.abc import Sequence

log = structlog.get_logger(__name__)

# Measured for 5,000 interactions: as jsonb the insert takes 32 ms and the row 300 kB, compressed
# 5 ms and 145 kB. Higher levels take longer and gain nothing.
ZSTD_LEVEL = 1
# Whoever is woken stores all that waits.
WAKE_PAUSE_SECONDS = 0.5
# The backlog need not be known more exactly than this.
MEASURED_EVERY_SECONDS = 0.5
WAIT_SECONDS = 10

_woken_at = float("-inf")
_measured_at = float("-inf")
_waiting = 0


def take(*, brand_id: int, interactions: Any) -> PulseCall:
    """Keeps the call's interactions. Raises `InvalidInteractionsError`, `BehindError`."""
    waiting = unworked_rows()
    if waiting >= settings.PULSE_WATERMARK_ROWS:
        raise BehindError(waiting=waiting, wait_seconds=WAIT_SECONDS)
    started = time.perf_counter()
    rows = read_interactions(interactions, now=datetime.now(tz=UTC))
    call = PulseCall.objects.create(
        brand_id=brand_id,
        rows=len(rows),
        content=pack(rows),
        correlation_id=correlation_id(),
    )
    _wake()
    log.info(
        "pulse_taken",
        pulse=call.pk,
        brand=brand_id,
        row_count=call.rows,
        duration_ms=round((time.perf_counter() - started) * 1000, 1),
    )
    return call


def pack(rows: Sequence[dict[str, Any]]) -> bytes:
    """What `storing` reads: compressed JSON, a list of objects."""
    return zstandard.ZstdCompressor(level=ZSTD_LEVEL).compress(orjson.dumps(rows))


def unpack(content: bytes) -> bytes:
    """The JSON again."""
    return zstandard.ZstdDecompressor().decompress(content)


def unworked_rows() -> int:
    """How many interactions wait or are being stored; up to half a second old."""
    global _measured_at, _waiting  # noqa: PLW0603 - one measurement per process
    now = time.monotonic()
    if now - _measured_at >= MEASURED_EVERY_SECONDS:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT coalesce(sum(rows), 0) FROM newsletter_pulsecall WHERE state <> 'dead'"
            )
            _waiting = int(cursor.fetchone()[0])
        _measured_at = now
    return _waiting


def _wake() -> None:
    global _woken_at  # noqa: PLW0603 - one pause per process
    now = time.monotonic()
    if now - _woken_at >= WAKE_PAUSE_SECONDS:
        _woken_at = now
        enqueue(TaskName.STORE_INTERACTIONS)
