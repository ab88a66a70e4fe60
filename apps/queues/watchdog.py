"""A worker tells its supervisor that it gets on: by what its tasks settled, not by being alive.

The supervisor (systemd, or the one of `make up`) starts a process anew that falls silent. Here a
thread of the worker's first process falls silent on purpose when the worker has stalled: wake-ups
wait in its queue, rows are due, and no task of its children has ended well for too long. A process
that is stopped or hangs as a whole is silent anyway.
"""

from __future__ import annotations

import mmap
import socket
import struct
import threading
import time
from typing import TYPE_CHECKING

import structlog
from celery.worker import state
from django.conf import settings
from django.db import DatabaseError, connection
from redis import Redis
from redis.exceptions import RedisError

from apps.queues.registry import QUEUES, TASK_QUEUES
from apps.queues.sweeping import due_now

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

log = structlog.get_logger(__name__)

BROKER_TIMEOUT_SECONDS = 1.0
_MOMENT = struct.Struct("d")


class Notifier:
    """The readiness protocol of systemd; says nothing where nobody listens."""

    def __init__(self, address: str | None = None) -> None:
        self._address = settings.NOTIFY_SOCKET if address is None else address

    def ready(self) -> None:
        self._tell("READY=1")

    def alive(self) -> None:
        """To be repeated at least every half of the supervisor's patience."""
        self._tell("WATCHDOG=1")

    def stopping(self) -> None:
        self._tell("STOPPING=1")

    def _tell(self, text: str) -> None:
        if not self._address:
            return
        # An address that begins with @ is in Linux's abstract namespace.
        target = f"\0{self._address[1:]}" if self._address[0] == "@" else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sender:
                sender.sendto(text.encode(), target)
        except OSError as error:
            log.debug("supervisor_not_told", error=type(error).__name__)


class ProgressMark:
    """When a task of this worker last ended well; shared with the children that it forks.

    The clock is the system's monotonic one, which all processes of a host read alike.
    """

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, _MOMENT.size)
        self.note()

    def note(self) -> None:
        _MOMENT.pack_into(self._memory, 0, time.monotonic())

    @property
    def at(self) -> float:
        moment: float = _MOMENT.unpack_from(self._memory, 0)[0]
        return moment


# Made when the first process imports the tasks, so before it forks.
progress = ProgressMark()


class StallWatch:
    """Whether a worker of `queues` has stalled, by looks that `seconds_stalled` takes."""

    def __init__(
        self,
        queues: Collection[str],
        *,
        mark: ProgressMark,
        has_work: Callable[[Collection[str]], bool],
        is_working: Callable[[], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._queues, self._mark = queues, mark
        self._has_work, self._is_working = has_work, is_working
        self._clock = clock
        self._waits_since: float | None = None

    def seconds_stalled(self) -> float:
        """For how long work has waited here without a task that ended well; 0 where none waits.

        While a task is at work, its time limit is not counted.
        """
        now = self._clock()
        if not self._has_work(self._queues):
            self._waits_since = None
            return 0.0
        if self._waits_since is None:
            self._waits_since = now
        stalled = now - max(self._waits_since, self._mark.at)
        if self._is_working():
            stalled -= max(QUEUES[queue].task_seconds for queue in self._queues)
        return max(0.0, stalled)


def has_untaken_work(queues: Collection[str]) -> bool:
    """Whether rows of the queues are due and wake-ups for them wait at the broker.

    False where a server is away: then it is not the worker that stands still.
    """
    return _has_wake_ups(queues) and _has_due_rows(queues)


def _has_wake_ups(queues: Collection[str]) -> bool:
    try:
        with Redis.from_url(
            settings.REDIS_URL,
            socket_timeout=BROKER_TIMEOUT_SECONDS,
            socket_connect_timeout=BROKER_TIMEOUT_SECONDS,
        ) as client:
            return any(client.llen(queue) for queue in queues)
    except (RedisError, OSError):
        return False


def _has_due_rows(queues: Collection[str]) -> bool:
    try:
        connection.ensure_connection()
        return any(TASK_QUEUES.get(due.task) in queues for due in due_now())
    except DatabaseError:
        return False
    finally:
        connection.close()


def _has_active_tasks() -> bool:
    return len(state.active_requests) > 0


def watch_worker(queues: Collection[str]) -> threading.Event:
    """Starts the thread that speaks for this worker; setting the event ends it."""
    known = [queue for queue in queues if queue in QUEUES]
    watch = StallWatch(
        known, mark=progress, has_work=has_untaken_work, is_working=_has_active_tasks
    )
    notifier, stop = Notifier(), threading.Event()
    progress.note()
    notifier.ready()
    if known:
        arguments = (watch, notifier, stop, settings.STALL_SECONDS)
        threading.Thread(target=speak, args=arguments, name="watchdog", daemon=True).start()
    return stop


def speak(
    watch: StallWatch, notifier: Notifier, stop: threading.Event, stall_seconds: float
) -> None:
    """Tells the supervisor again and again, until the worker stalls; and again when it goes on."""
    while True:
        stalled = watch.seconds_stalled()
        if stalled < stall_seconds:
            notifier.alive()
        else:
            log.error("worker_stalled", seconds=round(stalled))
        if stop.wait(min(10.0, stall_seconds / 4)):
            return
