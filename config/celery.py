"""The Celery application. Its messages are wake-up calls; PostgreSQL holds the work."""

from __future__ import annotations

import os
from typing import Any

from celery import Celery
from celery.signals import (
    setup_logging,
    task_failure,
    task_prerun,
    task_unknown,
    worker_process_init,
    worker_process_shutdown,
    worker_ready,
    worker_shutting_down,
)

from config.garbage import set_apart_what_is_loaded

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

ROOMS_WITH_TASKS = (
    "queues",
    "brands",
    "contacts",
    "mail",
    "campaigns",
    "newsletter",
    "sms",
    "station",
)

app = Celery("flux_station", task_cls="apps.queues.base_task:StationTask", set_as_current=True)
# Read on first use, so that importing this module needs no settings.
app.config_from_object("config.celery_settings")
app.autodiscover_tasks([f"apps.{room}" for room in ROOMS_WITH_TASKS])


@setup_logging.connect
def _keep_our_logging(**_: Any) -> None:
    """Settings configured the logs already; a receiver here keeps Celery from doing it again."""


@worker_process_init.connect
def _look_for_garbage_seldom(**_: Any) -> None:
    set_apart_what_is_loaded()


@task_prerun.connect
def _refresh_database_connection(**_: Any) -> None:
    """Without this a worker keeps a connection that a database crash has broken."""
    from django.db import close_old_connections

    close_old_connections()


@worker_process_shutdown.connect
def _write_figures(**_: Any) -> None:
    """What a worker counted in its last two seconds would be lost with it."""
    from apps.queues import figures

    figures.write()


@task_unknown.connect
def _keep_unknown_task(name: str = "", message: Any = None, **_: Any) -> None:
    """A wake-up for a task that this version does not know is kept for a person to see."""
    from django.db import close_old_connections

    from apps.queues.poison import keep_unknown_task

    close_old_connections()
    keep_unknown_task(name=name, message=message)


@task_failure.connect
def _keep_task_that_kills(sender: Any = None, exception: Any = None, **facts: Any) -> None:
    """A task that ends its process would do so for ever: it is tried again, then kept."""
    from billiard.exceptions import TimeLimitExceeded, WorkerLostError

    from apps.queues.poison import note_death

    request = sender.request
    # A time limit is told twice, the second time without its request.
    if request.id and isinstance(exception, WorkerLostError | TimeLimitExceeded):
        note_death(
            task=sender.name,
            queue=str((request.delivery_info or {}).get("routing_key") or ""),
            kwargs=facts.get("kwargs") or {},
            headers=request.headers or {},
            error=exception,
        )


@worker_ready.connect
def _speak_to_supervisor(sender: Any = None, **_: Any) -> None:
    """A worker that stalls falls silent, and its supervisor starts it anew."""
    from apps.queues.watchdog import watch_worker

    watch_worker(list(sender.app.amqp.queues.consume_from))


@worker_shutting_down.connect
def _say_goodbye(**_: Any) -> None:
    from apps.queues.watchdog import Notifier

    Notifier().stopping()
