"""Backlogs from what is known already: the sweeper's sources, and schedules nobody has claimed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from apps.queues.health.backlogs import Backlog, register_backlog
from apps.queues.registry import TASK_QUEUES
from apps.queues.schedules import SCHEDULES, newest_claims

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from apps.queues.sweeping import Due


def backlog_from_due(source: Callable[[], Iterable[Due]]) -> Backlog:
    """What a source for the sweeper tells; it counts no further than workers could use."""
    found = list(source())
    ages = [one.oldest_seconds for one in found if one.oldest_seconds is not None]
    oldest = datetime.now(tz=UTC) - timedelta(seconds=max(ages)) if ages else None
    return Backlog(sum(one.units for one in found), oldest)


def register_schedules() -> None:
    """For every queue that has scheduled jobs."""
    for queue in {TASK_QUEUES[one.task] for one in SCHEDULES}:
        register_backlog(queue, "scheduled jobs", partial(backlog_of_schedules, queue))


def backlog_of_schedules(queue: str) -> Backlog:
    """The queue's scheduled jobs whose present period nobody has claimed yet.

    Since when they wait is not said: after a deployment a period may be half over.
    """
    mine = [one for one in SCHEDULES if TASK_QUEUES[one.task] == queue]
    now = datetime.now(tz=UTC)
    claimed = newest_claims(mine)
    return Backlog(sum(not claimed[one.name] and not one.is_too_late(now) for one in mine))
