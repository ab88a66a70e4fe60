"""The sweeper process: a round every FLUX_SWEEP_SECONDS until it is told to stop."""

from __future__ import annotations

import signal
import threading
from typing import Any

import structlog
from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import DatabaseError, close_old_connections, connection

from apps.queues.sweeping import broker_client, sweep

log = structlog.get_logger(__name__)


class Command(BaseCommand):
    help = "Publishes wake-ups for work that is due in PostgreSQL. Run one; two do no harm."

    def handle(self, *_args: Any, **_options: Any) -> None:
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        redis = broker_client()
        log.info("sweeper_started", every_seconds=settings.SWEEP_SECONDS)
        while not stop.wait(settings.SWEEP_SECONDS):
            close_old_connections()
            try:
                sweep(redis=redis)
            except DatabaseError as error:
                log.warning("database_away", error=type(error).__name__)
                connection.close()
        log.info("sweeper_stopped")
