"""The sweeper process: a round every FLUX_SWEEP_SECONDS until it is told to stop."""

from __future__ import annotations

import signal
import threading
import time
from typing import Any

import structlog
from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import DatabaseError, close_old_connections, connection

from apps.queues.health.watching import start_watching
from apps.queues.schedules import PeriodWatch
from apps.queues.sweeping import broker_client, sweep
from apps.queues.watchdog import Notifier

log = structlog.get_logger(__name__)

PERIOD_LOOK_SECONDS = 30.0


class Command(BaseCommand):
    help = "Publishes wake-ups for work that is due in PostgreSQL. Run one; two do no harm."

    def handle(self, *_args: Any, **_options: Any) -> None:
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        redis, periods, notifier = broker_client(), PeriodWatch(), Notifier()
        looked_at = time.monotonic()
        notifier.ready()
        log.info("sweeper_started", every_seconds=settings.SWEEP_SECONDS)
        start_watching(stop)
        while not stop.wait(settings.SWEEP_SECONDS):
            close_old_connections()
            try:
                sweep(redis=redis)
                if time.monotonic() - looked_at >= PERIOD_LOOK_SECONDS:
                    looked_at = time.monotonic()
                    periods.look()
            except DatabaseError as error:
                log.warning("database_away", error=type(error).__name__)
                connection.close()
            notifier.alive()
        notifier.stopping()
        log.info("sweeper_stopped")
