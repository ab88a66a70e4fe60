"""The sweeper: finds what is due in PostgreSQL and publishes as many wake-ups as can be used.

It is what makes a lost wake-up harmless. It never publishes one per due row: a wake-up says that
a queue has work, and a queue that already holds enough of them gets no more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
from django.conf import settings
from redis import Redis
from redis.exceptions import RedisError, ResponseError

from apps.queues import holding
from apps.queues.correlation import bind_correlation_id
from apps.queues.database import is_database_away
from apps.queues.enqueueing import publish
from apps.queues.registry import QUEUES, TASK_QUEUES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Due:
    """`units` pieces of work wait for `task` with these ids.

    `oldest_seconds` is how long the oldest of them has been due; None where the source does not
    say, which leaves it to whoever asks to remember since when it was.
    """

    task: str
    units: int
    ids: Mapping[str, int | str]
    oldest_seconds: float | None = None


_sources: dict[str, Callable[[], Iterable[Due]]] = {}


def register_due_source(name: str, source: Callable[[], Iterable[Due]]) -> None:
    """A room tells what of its own is due; called from its `AppConfig.ready`.

    The source runs every second and must be an index look-up, bounded by a LIMIT.
    """
    _sources[name] = source


def due_now() -> list[Due]:
    """What all sources tell now; one that fails is logged, and the others still count.

    Raises the database's error where that is away.
    """
    found: list[Due] = []
    for name, source in _sources.items():
        try:
            found += source()
        except Exception as error:
            if is_database_away(error):
                raise
            log.exception("source_failed", source=name)
    return found


def sweep(*, redis: Redis) -> int:
    """One round over all sources; returns how many wake-ups were published.

    A source that fails is logged, and the others are still swept. Raises the database's error
    where that is away.
    """
    published = 0
    for name, source in _sources.items():
        bind_correlation_id(None)
        try:
            for due in source():
                published += _wake(due, redis)
        except Exception as error:
            if is_database_away(error):
                raise
            log.exception("sweep_failed", source=name)
    return published


def _wake(due: Due, redis: Redis) -> int:
    queue = TASK_QUEUES[due.task]
    wanted = min(due.units, free_places(queue, redis))
    if wanted:
        # A held queue gets nothing but its one try.
        places = holding.gate_of(holding.held_as(queue, due.ids)).places()
        wanted = wanted if places is None else min(wanted, places)
    return publish(due.task, copies=wanted, ids=due.ids, correlation=bind_correlation_id(None))


def free_places(queue: str, redis: Redis) -> int:
    """How many more wake-ups the queue can use at once. A broker that is away can use none.

    One that answers but will not say how many wait gets one all the same: a queue must not stand
    still because it cannot be measured.
    """
    try:
        waiting = int(redis.llen(queue))
    except ResponseError as error:
        log.warning("queue_not_measured", queue=queue, error=type(error).__name__)
        return 1
    except (RedisError, OSError):
        return 0
    return max(0, QUEUES[queue].concurrency - waiting)


def broker_client() -> Redis:
    """A client for reading queue lengths, with timeouts that keep the sweeper's round short."""
    return Redis.from_url(settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1)
