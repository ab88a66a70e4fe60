"""A thread that watches queues beside the work of its process, and tells of alerts."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import structlog
from django.conf import settings
from django.db import DatabaseError, close_old_connections, connection

from apps.queues import watermarks
from apps.queues.alerts_webhook import tell_webhook
from apps.queues.correlation import bind_correlation_id

if TYPE_CHECKING:
    from threading import Event, Thread

log = structlog.get_logger(__name__)


def start_watching(stop: Event) -> Thread:
    """Watches until `stop` is set, on a database connection of its own. A daemon: it holds no work.

    Everything is caught and logged: a look that fails must not end the looking.
    """
    thread = threading.Thread(target=_watch_until, args=[stop], name="watch-queues", daemon=True)
    thread.start()
    return thread


def _watch_until(stop: Event) -> None:
    while not stop.wait(settings.WATCH_SECONDS / 3):
        bind_correlation_id(None)
        close_old_connections()
        try:
            watermarks.watch_if_due()
            tell_webhook()
        except DatabaseError as error:
            log.warning("database_away", error=type(error).__name__)
            connection.close()
        except Exception:
            log.exception("watch_failed")
    connection.close()
