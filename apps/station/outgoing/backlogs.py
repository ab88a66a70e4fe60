"""How an endpoint stands: what waits for it, what failed, how long its calls take."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import connection

# Nobody needs to know exactly beyond this; counting ends there.
COUNTED = 10_000
RECENT = 100

_BACKLOG = f"""
SELECT (SELECT count(*) FROM (
            SELECT 1 FROM station_webhookdelivery
             WHERE endpoint_id = %(endpoint)s AND state IN ('pending', 'calling')
             LIMIT {COUNTED + 1}) waiting),
       (SELECT count(*) FROM (
            SELECT 1 FROM station_webhookdelivery
             WHERE endpoint_id = %(endpoint)s AND state = 'failed' LIMIT {COUNTED + 1}) failed),
       (SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY latency_ms) FROM (
            SELECT latency_ms FROM station_webhookdelivery WHERE endpoint_id = %(endpoint)s
             ORDER BY id DESC LIMIT {RECENT}) recent)
"""


@dataclass(frozen=True)
class Backlog:
    """Numbers of deliveries, exact up to `COUNTED`; the median latency of the latest, in ms."""

    waiting: int
    failed: int
    latency_ms: float | None

    @property
    def waiting_shown(self) -> str:
        return _shown(self.waiting)

    @property
    def failed_shown(self) -> str:
        return _shown(self.failed)


def _shown(number: int) -> str:
    return f"more than {COUNTED:,}" if number > COUNTED else f"{number:,}"


def backlog_of(endpoint_id: int) -> Backlog:
    with connection.cursor() as cursor:
        cursor.execute(_BACKLOG, {"endpoint": endpoint_id})
        return Backlog(*cursor.fetchone())
