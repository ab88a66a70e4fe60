"""Scheduled jobs: each firing claims its period in the database.

Beat only ticks. Every job is offered at least once a minute, and the first offer in a period that
finds it unclaimed runs it. So two beats run it once, and a beat that was away runs it late.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import structlog
from django.db import connection

from apps.queues.names import TaskName
from apps.queues.registry import TASK_QUEUES

if TYPE_CHECKING:
    from collections.abc import Iterable

log = structlog.get_logger(__name__)

TICK_SECONDS = 60.0


class Missed(StrEnum):
    """What becomes of a period whose time passed while nothing ran."""

    RUN_LATE = "run once, late"
    SKIP = "skip it"


@dataclass(frozen=True)
class Schedule:
    """A job that runs once per period of `every_seconds`.

    Periods are counted from midnight UTC at the beginning of 1970, plus `offset_seconds`.
    """

    name: str
    task: TaskName
    every_seconds: int
    offset_seconds: int = 0
    missed: Missed = Missed.RUN_LATE
    grace_seconds: int = 300

    def period(self, now: datetime) -> datetime:
        """The start of the period that `now` lies in."""
        elapsed = int(now.timestamp()) - self.offset_seconds
        start = elapsed - elapsed % self.every_seconds + self.offset_seconds
        return datetime.fromtimestamp(start, tz=UTC)

    def is_too_late(self, now: datetime) -> bool:
        late_seconds = (now - self.period(now)).total_seconds()
        return self.missed is Missed.SKIP and late_seconds > self.grace_seconds


SCHEDULES: tuple[Schedule, ...] = (
    Schedule("maintain-partitions", TaskName.MAINTAIN_PARTITIONS, 6 * 3600),
    Schedule("prune-periods", TaskName.PRUNE_PERIODS, 24 * 3600, offset_seconds=3 * 3600),
    Schedule("prune-answers", TaskName.PRUNE_ANSWERS, 3600, offset_seconds=900),
    Schedule("enforce-retention", TaskName.ENFORCE_RETENTION, 600),
    Schedule("delete-dry-runs", TaskName.DELETE_DRY_RUNS, 3600),
    Schedule("prune-uploads", TaskName.PRUNE_UPLOADS, 3600, offset_seconds=1800),
)


def claim_period(schedule: Schedule) -> bool:
    """Whether the caller is the one to run this period; by the database's clock."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT now()")
        now: datetime = cursor.fetchone()[0]
        if schedule.is_too_late(now):
            return False
        cursor.execute(
            "INSERT INTO queues_scheduleperiod (schedule, starts_at) VALUES (%s, %s)"
            " ON CONFLICT DO NOTHING",
            [schedule.name, schedule.period(now)],
        )
        return bool(cursor.rowcount)


def beat_schedule(schedules: Iterable[Schedule] = SCHEDULES) -> dict[str, dict[str, Any]]:
    """Celery's table. A tick nobody took before the next one is worth nothing, so it expires."""
    return {
        schedule.name: {
            "task": schedule.task.value,
            "schedule": min(TICK_SECONDS, schedule.every_seconds),
            "kwargs": {"schedule": schedule.name},
            "options": {
                "queue": TASK_QUEUES[schedule.task].value,
                "expires": min(TICK_SECONDS, schedule.every_seconds),
            },
        }
        for schedule in schedules
    }


def claim_named_period(name: str) -> bool:
    """`claim_period` for a task that got the schedule's name with its wake-up."""
    schedule = next((one for one in SCHEDULES if one.name == name), None)
    if schedule is None:
        log.warning("unknown_schedule", schedule=name)
        return False
    return claim_period(schedule)
