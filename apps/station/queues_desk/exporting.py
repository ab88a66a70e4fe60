"""Metrics for Prometheus: what all processes of this host counted, and how the queues stand now.

Counters and histograms come from the files that the processes keep in FLUX_METRICS_DIR, so the
answer is right whichever process gives it. Gauges of queues and accounts are read from database
and broker, and are the same on every host. What cannot be read is left out, never 0, and
`flux_queue_unknown` says so.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from django.conf import settings
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector

from apps.queues.health.reading import read_health
from apps.queues.names import Queue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from apps.queues.health.reports import AccountHealth, Health, QueueHealth
    from apps.queues.limiting import Use

FRESH_SECONDS = 5.0
"""Several scrapers at once cost one reading."""

_QUEUE_GAUGES: tuple[tuple[str, str, Callable[[QueueHealth], Any]], ...] = (
    ("flux_queue_length", "Rows that are due", lambda one: one.queue_length),
    (
        "flux_queue_oldest_due_seconds",
        "How long the oldest of them has been due",
        lambda one: one.oldest_due_seconds or 0.0,
    ),
    ("flux_queue_in_progress", "Rows that a worker holds", lambda one: one.in_progress),
    ("flux_queue_wake_ups", "Wake-ups in the broker", lambda one: one.wake_ups),
    ("flux_queue_dead_letters", "Open dead letters", lambda one: one.dead_letters),
    ("flux_queue_error_streak", "Failures since a success", lambda one: one.error_streak),
    (
        "flux_queue_last_success_timestamp_seconds",
        "When a task last ended well",
        lambda one: _timestamp(one.last_success_at),
    ),
)
_LIMITER_GAUGES: tuple[tuple[str, str, Callable[[Use], float]], ...] = (
    ("flux_limiter_limit_per_second", "Requests a second; 0: lifted", lambda use: use.limit or 0.0),
    ("flux_limiter_used_per_second", "Requests granted a second", lambda use: use.per_second),
    ("flux_limiter_pace", "Share of the limit in force", lambda use: use.factor),
    ("flux_limiter_frozen_seconds", "Until the account thaws", lambda use: use.frozen_for_s),
    ("flux_limiter_live_workers", "Workers that share the budget", lambda use: use.live_workers),
)


class QueueCollector:
    """Reads the health of the queues, at most every `FRESH_SECONDS`."""

    def __init__(self, read: Callable[[], Health] = read_health) -> None:
        self._read, self._lock = read, threading.Lock()
        self._kept: Health | None = None
        self._read_at = float("-inf")

    def collect(self) -> Iterator[GaugeMetricFamily]:
        health = self._health()
        queues = list(health.queues.values())
        for name, told, figure in _QUEUE_GAUGES:
            yield _gauge(name, told, "queue_name", [(one.queue, figure(one)) for one in queues])
        unknown = [(one.queue, float(isinstance(one.queue_length, str))) for one in queues]
        told = "1 where the queue's length could not be read"
        yield _gauge("flux_queue_unknown", told, "queue_name", unknown)
        yield _segment_depth(health)
        yield from _account_gauges(() if isinstance(health.accounts, str) else health.accounts)
        alerts = health.alerts
        yield GaugeMetricFamily(
            "flux_alerts_open",
            "Open alerts",
            value=None if isinstance(alerts, str) else float(len(alerts)),
        )

    def _health(self) -> Health:
        with self._lock:
            if self._kept is None or time.monotonic() - self._read_at > FRESH_SECONDS:
                self._kept, self._read_at = self._read(), time.monotonic()
            return self._kept


def render() -> bytes:
    """Everything in Prometheus' text format."""
    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=str(settings.METRICS_DIR))  # type: ignore[no-untyped-call]
    registry.register(_queues)
    return generate_latest(registry)


_queues = QueueCollector()


def _gauge(name: str, told: str, label: str, figures: list[tuple[str, Any]]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, told, labels=[label])
    for subject, value in figures:
        if isinstance(value, int | float):
            family.add_metric([subject], float(value))
    return family


def _segment_depth(health: Health) -> GaugeMetricFamily:
    """The seed's `segment_queue.depth`."""
    length = health.queues[Queue.SEGMENTS].queue_length
    return GaugeMetricFamily(
        "segment_queue_depth",
        "Segment changes that are due",
        value=None if isinstance(length, str) else float(length),
    )


def _account_gauges(accounts: tuple[AccountHealth, ...]) -> Iterator[GaugeMetricFamily]:
    for name, told, figure in _LIMITER_GAUGES:
        uses = [
            (one.bucket, figure(one.limiter))
            for one in accounts
            if one.limiter is not None and not isinstance(one.limiter, str)
        ]
        yield _gauge(name, told, "rate_limit_bucket", uses)


def _timestamp(moment: datetime | str | None) -> float | None:
    return None if moment is None or isinstance(moment, str) else moment.timestamp()
