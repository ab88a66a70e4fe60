"""The drainer process: works off due work that nobody comes for, until it is told to stop."""

from __future__ import annotations

import signal
import sys
import threading
import time
from typing import Any

import structlog
from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import DatabaseError, close_old_connections, connection

from apps.queues.draining import LOOK_SECONDS, Drainer, open_wakers
from apps.queues.watchdog import Notifier

log = structlog.get_logger(__name__)

# A turn under way is let finish; what is cut off is due again when its lease ends.
STOP_SECONDS = 20.0


class Command(BaseCommand):
    help = "Works off due work straight from PostgreSQL while the broker is dead. Two do no harm."

    def handle(self, *_args: Any, **_options: Any) -> None:
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        drainer = Drainer(wakers=open_wakers(), after_seconds=settings.DRAIN_AFTER_SECONDS)
        notifier = Notifier()
        log.info("drainer_started", after_seconds=settings.DRAIN_AFTER_SECONDS)
        notifier.ready()
        while not stop.wait(LOOK_SECONDS):
            self._look(drainer)
            notifier.alive()
            if late := drainer.overtime():
                log.error("drainer_stuck", queues=late)
                sys.exit(1)
        notifier.stopping()
        self._await_turns(drainer)
        log.info("drainer_stopped")

    def _look(self, drainer: Drainer) -> None:
        close_old_connections()
        try:
            drainer.look()
        except DatabaseError as error:
            log.warning("database_away", error=type(error).__name__)
            connection.close()

    def _await_turns(self, drainer: Drainer) -> None:
        ends_at = time.monotonic() + STOP_SECONDS
        while drainer.is_busy() and time.monotonic() < ends_at:
            time.sleep(0.05)
