"""Working queues off by request: each in a thread of its own, none waits for another.

Goes straight from PostgreSQL, so it works while the broker is down; rows are claimed as everywhere,
so workers may be at it too.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import structlog
from celery import current_app
from django.db import connections

from apps.queues import draining, external
from apps.queues.correlation import bind_correlation_id, clear_correlation_id, correlation_id
from apps.queues.errors import UnknownQueueError
from apps.queues.registry import EXTERNAL_QUEUES, QUEUES

if TYPE_CHECKING:
    from collections.abc import Sequence

log = structlog.get_logger(__name__)

# The answer must not come much later than it was promised.
ANSWER_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class QueueResult:
    """What working one queue came to.

    `status`: `empty` (nothing is due any more), `more_to_do` (limit or deadline reached),
    `failing` (some turns raised; see dead letters), `still_working` (a turn goes on beyond the
    deadline, and ends by itself), `broken` (the queue could not be worked; see `error`).
    """

    queue: str
    status: str
    turns: int = 0
    failed: int = 0
    error: str = ""


_at_work: set[str] = set()
_lock = threading.Lock()


def work_queues(
    *, names: Sequence[str] = (), limit: int, deadline_seconds: float
) -> list[QueueResult]:
    """Works the named queues, or all; up to `limit` turns each, until the deadline.

    A queue that an earlier call in this process is still at gets no second thread. Raises
    `UnknownQueueError` for a name nobody declared.
    """
    chosen = list(dict.fromkeys(names)) or [*QUEUES, *EXTERNAL_QUEUES]
    for name in chosen:
        if name not in QUEUES and name not in EXTERNAL_QUEUES:
            known = ", ".join([*QUEUES, *EXTERNAL_QUEUES])
            raise UnknownQueueError(f"No queue {name!r}; there are: {known}.")
    _know_tasks()
    return _work_all(chosen, limit, deadline_seconds)


@cache
def _know_tasks() -> None:
    """A web process has no reason to import tasks before."""
    current_app.loader.import_default_modules()


def _work_all(names: list[str], limit: int, deadline_seconds: float) -> list[QueueResult]:
    found: dict[str, QueueResult] = {}
    correlation = correlation_id()
    ends_at = time.monotonic() + deadline_seconds + ANSWER_SECONDS

    def work(name: str) -> None:
        bind_correlation_id(correlation)
        try:
            found[name] = _work_one(name, limit, deadline_seconds)
        finally:
            clear_correlation_id()
            connections.close_all()
            with _lock:
                _at_work.discard(name)

    threads = [
        threading.Thread(target=work, args=[name], name=f"work-{name}", daemon=True)
        for name in _take(names)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, ends_at - time.monotonic()))
    return [found.get(name) or QueueResult(name, "still_working") for name in names]


def _take(names: list[str]) -> list[str]:
    """Those that nobody is at in this process; the caller is from now on."""
    with _lock:
        free = [name for name in names if name not in _at_work]
        _at_work.update(free)
        return free


def _work_one(name: str, limit: int, deadline_seconds: float) -> QueueResult:
    try:
        if name in EXTERNAL_QUEUES:
            return _call_external(name, limit, deadline_seconds)
        worked = draining.work_off(queue=name, limit=limit, deadline_seconds=deadline_seconds)
    except Exception as error:
        # A queue that is broken is told, and holds up no other.
        log.exception("queue_not_worked", queue=name)
        return QueueResult(name, "broken", error=type(error).__name__)
    status = "empty" if worked.is_empty else "more_to_do"
    if worked.failed:
        status = "failing"
    return QueueResult(name, status, worked.turns, worked.failed)


def _call_external(name: str, limit: int, deadline_seconds: float) -> QueueResult:
    worked = external.work_off(queue=name, limit=limit, deadline_seconds=deadline_seconds)
    status = "more_to_do" if worked.queue_length else "empty"
    return QueueResult(name, status, worked.processed)
