"""Working off what is due straight from PostgreSQL, where nobody comes for it.

The broker only wakes workers. Where it is dead, refuses to take anything (its memory is full), or
where its wake-ups stay untaken, due work older than FLUX_DRAIN_AFTER_SECONDS is done here: by the
same tasks, with the same claims, so that workers may be at it too. Once the broker has been out of
use for that long itself, what becomes due is done at once: nobody else will come. One thread per
queue keeps a slow queue from holding up a quick one; each does one turn at a time, so that this is
slower than the workers are, and the limiter paces every process for itself meanwhile.
"""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

import structlog
from celery import current_app
from celery.exceptions import Ignore
from django.conf import settings
from django.db import DatabaseError, connections
from redis import Redis
from redis.exceptions import RedisError

from apps.queues import dead_letters, poison
from apps.queues.base_task import DEFAULT_ATTEMPTS, DEFAULT_TASK_SECONDS
from apps.queues.correlation import bind_correlation_id
from apps.queues.deliveries import read_moment
from apps.queues.enqueueing import ENQUEUED_HEADER
from apps.queues.flags import Flag, is_on
from apps.queues.registry import QUEUES, TASK_QUEUES
from apps.queues.retrying import backoff_seconds
from apps.queues.schedules import TICK_SECONDS, overdue_offers
from apps.queues.sweeping import Due, due_now

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

log = structlog.get_logger(__name__)

LOOK_SECONDS = 1.0
BROKER_TIMEOUT_SECONDS = 0.5
RETRY_BASE_SECONDS = 2.0
RETRY_CAP_SECONDS = 300.0
# A thread cannot be ended: where its task outlives its limit by this, the process is.
OVERTIME_SECONDS = 30.0
_PROBE_KEY = "flux:drainer"

Key = tuple[str, tuple[tuple[str, int | str], ...]]


def key_of(due: Due) -> Key:
    return due.task, tuple(sorted(due.ids.items()))


class Wakers:
    """Whether the broker's wake-ups still come to anything."""

    def __init__(self, client: Redis) -> None:
        self._client = client

    def is_broker_usable(self) -> bool:
        """Whether the broker answers and takes writes: one whose memory is full does not."""
        try:
            return bool(self._client.set(_PROBE_KEY, 1, ex=60))
        except (RedisError, OSError):
            return False

    def untaken_seconds(self, queue: str) -> float:
        """How long the oldest wake-up of a queue has waited; 0 where none waits.

        By the clocks of two hosts: one that is off makes this process help too early or late.
        """
        try:
            raw: Any = self._client.lindex(queue, -1)
            published = read_moment(json.loads(raw)["headers"][ENQUEUED_HEADER]) if raw else None
        except (RedisError, OSError, ValueError, TypeError, KeyError):
            return 0.0
        return max(0.0, time.time() - published.timestamp()) if published else 0.0


def open_wakers() -> Wakers:
    return Wakers(
        Redis.from_url(
            settings.REDIS_URL,
            socket_timeout=BROKER_TIMEOUT_SECONDS,
            socket_connect_timeout=BROKER_TIMEOUT_SECONDS,
        )
    )


@dataclass
class _Standing:
    """What is remembered of one piece of due work."""

    since: float | None
    """When it was first seen to be due; None while it is not."""
    failures: int = 0
    not_before: float = 0.0
    worked_at: float = field(default=0.0)


class _Hand(threading.Thread):
    """Works one queue, a turn at a time; `busy_since` is None while it is idle."""

    def __init__(self, drainer: Drainer, queue: str) -> None:
        super().__init__(name=f"drain-{queue}", daemon=True)
        self._drainer, self._due = drainer, threading.Semaphore(0)
        self._next: Due | None = None
        self.queue = queue
        self.busy_since: float | None = None

    def give(self, due: Due) -> None:
        self._next, self.busy_since = due, time.monotonic()
        self._due.release()

    def run(self) -> None:
        while True:
            self._due.acquire()
            try:
                if self._next is not None:
                    self._drainer.work(self._next)
            except DatabaseError as error:  # away again while a failure was to be kept
                log.warning("database_away", queue=self.queue, error=type(error).__name__)
            finally:
                connections.close_all()
                self.busy_since = None


class Drainer:
    """Looks every second; see `look`. Two do no harm."""

    def __init__(self, *, wakers: Wakers, after_seconds: float) -> None:
        self._wakers, self._after_seconds = wakers, after_seconds
        self._standings: dict[Key, _Standing] = {}
        self._hands: dict[str, _Hand] = {}
        self._unusable_since: float | None = None
        _tasks()  # here and not in a thread: two would import at once

    def look(self) -> int:
        """Gives each idle hand the piece of its queue that waited longest; how many got one."""
        dues = [*due_now(), *self._missed_ticks()]
        if not dues or not is_on(Flag.DRAIN_WITHOUT_BROKER):
            self._remember({}, time.monotonic())
            return 0
        self._note_broker(usable=self._wakers.is_broker_usable())
        given = 0
        for queue, overdue in _by_queue(self._overdue(dues)).items():
            if (
                self._unusable_since is None
                and self._wakers.untaken_seconds(queue) < self._after_seconds
            ):
                continue
            given += self._give(queue, overdue)
        return given

    def overtime(self) -> list[str]:
        """Queues whose task here has outlived its limit: the process should end."""
        now = time.monotonic()
        return [
            hand.queue
            for hand in self._hands.values()
            if hand.busy_since is not None
            and now - hand.busy_since > _task_seconds(hand.queue) + OVERTIME_SECONDS
        ]

    def is_busy(self) -> bool:
        return any(hand.busy_since is not None for hand in self._hands.values())

    def work(self, due: Due) -> None:
        """One turn of a task, in this thread. What it raises is retried here, and then kept."""
        standing = self._standings.setdefault(key_of(due), _Standing(time.monotonic()))
        try:
            work_directly(due)
        except Ignore:  # dealt with by the task itself: the database is away, or a dead letter
            standing.failures = 0
        except Exception as error:  # noqa: BLE001 - whatever a task raises, as in a worker
            self._note_failure(due, standing, error)
        else:
            standing.failures = 0

    def _note_failure(self, due: Due, standing: _Standing, error: Exception) -> None:
        standing.failures += 1
        standing.not_before = time.monotonic() + backoff_seconds(
            attempt=standing.failures, base=RETRY_BASE_SECONDS, cap=RETRY_CAP_SECONDS
        )
        queue = TASK_QUEUES[due.task]
        attempts = QUEUES[queue].attempts if queue in QUEUES else DEFAULT_ATTEMPTS
        if standing.failures == attempts:
            dead_letters.record(
                queue=queue,
                task=due.task,
                reason="attempts_spent",
                error=poison.storable(f"{type(error).__name__}: {error}"),
                attempts=standing.failures,
                payload=poison.cut(due.ids),
            )

    def _overdue(self, dues: Iterable[Due]) -> list[Due]:
        now = time.monotonic()
        present = {key_of(due): due for due in dues}
        self._remember(present, now)
        is_alone = (
            self._unusable_since is not None and now - self._unusable_since >= self._after_seconds
        )
        patience = 0.0 if is_alone else self._after_seconds
        return [
            due
            for key, due in present.items()
            if self._waited(due, self._standings[key], now) >= patience
            and now >= self._standings[key].not_before
        ]

    def _remember(self, present: Collection[Key], now: float) -> None:
        """What is not due just now is forgotten, unless it failed lately: a lease may hide it."""
        for key in [key for key in self._standings if key not in present]:
            standing = self._standings[key]
            standing.since = None
            if not standing.failures or now >= standing.not_before + RETRY_CAP_SECONDS:
                del self._standings[key]
        for key in present:
            standing = self._standings.setdefault(key, _Standing(now))
            if standing.since is None:
                standing.since = now

    def _waited(self, due: Due, standing: _Standing, now: float) -> float:
        if due.oldest_seconds is not None:
            return due.oldest_seconds
        return 0.0 if standing.since is None else now - standing.since

    def _missed_ticks(self) -> list[Due]:
        """Scheduled jobs that beat's ticks should have brought to a worker long ago."""
        late = overdue_offers(older_than_seconds=self._after_seconds + 3 * TICK_SECONDS)
        return [Due(one.task, 1, {"schedule": one.name}, 3 * TICK_SECONDS) for one in late]

    def _note_broker(self, *, usable: bool) -> None:
        if usable == (self._unusable_since is None):
            return
        self._unusable_since = None if usable else time.monotonic()
        event = "broker_usable_again" if usable else "broker_unusable"
        log.warning(event, after_seconds=self._after_seconds)

    def _give(self, queue: str, dues: list[Due]) -> int:
        hand = self._hands.get(queue)
        if hand is None:
            hand = self._hands[queue] = _Hand(self, queue)
            hand.start()
        if hand.busy_since is not None:
            return 0
        due = min(dues, key=lambda one: self._standings[key_of(one)].worked_at)
        self._standings[key_of(due)].worked_at = time.monotonic()
        hand.give(due)
        return 1


def work_directly(due: Due) -> None:
    """Runs the task of `due` in this thread, as a worker would; raises what the task raises.

    Failures that its first attempt can decide (wrong arguments) are dead letters, and Ignore.
    """
    bind_correlation_id(None)
    _tasks()[due.task](**due.ids)


@cache
def _tasks() -> Mapping[str, Any]:
    """All tasks by name; outside of workers nobody has imported them yet."""
    current_app.loader.import_default_modules()
    tasks: Mapping[str, Any] = current_app.tasks
    return tasks


@dataclass(frozen=True)
class Worked:
    """What working off one queue came to: turns of tasks, and how many of them raised."""

    turns: int
    failed: int
    is_empty: bool


def work_off(*, queue: str, limit: int, deadline_seconds: float) -> Worked:
    """Works off what is due of an internal queue, here and now; up to `limit` turns.

    No new turn begins after the deadline. What raises is not tried again in the same call.
    """
    ends_at = time.monotonic() + deadline_seconds
    turns, failed = 0, set[Key]()
    while True:
        due = next((one for one in _due_of(queue) if key_of(one) not in failed), None)
        if due is None or turns >= limit or time.monotonic() >= ends_at:
            return Worked(turns, len(failed), is_empty=due is None)
        turns += 1
        try:
            work_directly(due)
        except Exception:  # noqa: BLE001 - logged by the task; the others still get their turn
            failed.add(key_of(due))


def _due_of(queue: str) -> list[Due]:
    return [due for due in due_now() if TASK_QUEUES.get(due.task) == queue]


def _by_queue(dues: Iterable[Due]) -> dict[str, list[Due]]:
    found: dict[str, list[Due]] = {}
    for due in dues:
        found.setdefault(str(TASK_QUEUES[due.task]), []).append(due)
    return found


def _task_seconds(queue: str) -> float:
    return QUEUES[queue].task_seconds if queue in QUEUES else DEFAULT_TASK_SECONDS
