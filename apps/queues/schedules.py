"""Scheduled jobs: each firing claims its period in the database.

Beat only ticks. Every job is offered some times a minute, and the first offer in a period that
finds it unclaimed runs it. So two beats run it once, and a beat that was away runs it late. A run
that raises gives its period back and is tried again; one whose worker dies does not.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import structlog
from django.db import DatabaseError, connection

from apps.queues import heartbeats
from apps.queues.names import TaskName
from apps.queues.registry import TASK_QUEUES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.db.backends.utils import CursorWrapper

log = structlog.get_logger(__name__)

# A beat that is killed every minute still ticks in between.
TICK_SECONDS = 20.0


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
    task: str
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
    Schedule(
        "recompute-engagement", TaskName.START_RECOMPUTING, 24 * 3600, offset_seconds=2 * 3600
    ),
    # Late digests have a limit of their own, in the digest: run once, late.
    Schedule("compose-digests", TaskName.COMPOSE_DIGESTS, 60, offset_seconds=30),
    # What a missed minute left is due in the next one: run once, late.
    Schedule("advance-sequences", TaskName.ADVANCE_SEQUENCES, 60),
    Schedule("review-sequences", TaskName.REVIEW_SEQUENCES, 600, offset_seconds=300),
    Schedule("delete-dry-runs", TaskName.DELETE_DRY_RUNS, 3600),
    Schedule("erase-traces", TaskName.ERASE_TRACES, 6 * 3600, offset_seconds=2700),
    Schedule("prune-uploads", TaskName.PRUNE_UPLOADS, 3600, offset_seconds=1800),
    Schedule("prune-joining", TaskName.PRUNE_JOINING, 6 * 3600, offset_seconds=2700),
    # A minute that was missed has passed: the next one chooses as well.
    Schedule("choose-texts", TaskName.CHOOSE_TEXTS, 60, missed=Missed.SKIP, grace_seconds=50),
    Schedule("archive-sent-log", TaskName.ARCHIVE_SENT_LOG, 24 * 3600, offset_seconds=4 * 3600),
    Schedule("count-texts", TaskName.COUNT_TEXTS, 120, offset_seconds=45),
    Schedule("sync-lists", TaskName.SYNC_LISTS, 900, offset_seconds=120),
    Schedule("prune-tracking", TaskName.PRUNE_TRACKING, 24 * 3600, offset_seconds=4 * 3600),
)


@dataclass(frozen=True)
class Claim:
    """The period that the task at work has claimed."""

    schedule: str
    starts_at: datetime


_claim: ContextVar[Claim | None] = ContextVar("claimed_period", default=None)


def claim_period(schedule: Schedule) -> bool:
    """Whether the caller is the one to run this period; by the database's clock."""
    with connection.cursor() as cursor:
        now = _database_now(cursor)
        if schedule.is_too_late(now):
            return False
        starts_at = schedule.period(now)
        cursor.execute(
            "INSERT INTO queues_scheduleperiod (schedule, starts_at) VALUES (%s, %s)"
            " ON CONFLICT DO NOTHING",
            [schedule.name, starts_at],
        )
        claimed = bool(cursor.rowcount)
    if claimed:
        _claim.set(Claim(schedule.name, starts_at))
    return claimed


def claimed_period() -> Claim | None:
    """The period that the task at work has claimed; None where it is no scheduled job."""
    return _claim.get()


def end_run(*, succeeded: bool) -> None:
    """The task at work has ended: its period, if it claimed one, is done or free again.

    Called by the base task. A job that succeeded tells its heartbeat; neither may fail the task.
    """
    claim = _claim.get()
    if claim is None:
        return
    _claim.set(None)
    if succeeded:
        heartbeats.beat(claim.schedule)
        return
    try:
        _release(claim)
    except DatabaseError as error:
        log.warning("period_not_released", schedule=claim.schedule, error=type(error).__name__)


def _release(claim: Claim) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM queues_scheduleperiod WHERE schedule = %s AND starts_at = %s",
            [claim.schedule, claim.starts_at],
        )


@dataclass(frozen=True)
class UnclaimedPeriod:
    """Nobody ran this period of a schedule within its grace: beat is away, or the worker."""

    schedule: str
    starts_at: datetime
    late_seconds: int


_UNCLAIMED = """
SELECT NOT EXISTS (SELECT 1 FROM queues_scheduleperiod WHERE schedule = %s AND starts_at = %s)
   AND greatest(%s, (SELECT max(applied) FROM django_migrations)) + make_interval(secs => %s) < %s
"""


def unclaimed_periods(schedules: Iterable[Schedule] = SCHEDULES) -> list[UnclaimedPeriod]:
    """The periods whose grace is over and which nobody has claimed, the newest of each schedule.

    A period that began before the last deployment has its grace from there. For alerts.
    """
    found = []
    with connection.cursor() as cursor:
        now = _database_now(cursor)
        for schedule in schedules:
            grace = schedule.grace_seconds
            starts_at = schedule.period(now - timedelta(seconds=grace))
            cursor.execute(_UNCLAIMED, [schedule.name, starts_at, starts_at, grace, now])
            if cursor.fetchone()[0]:
                late = int((now - starts_at).total_seconds())
                found.append(UnclaimedPeriod(schedule.name, starts_at, late))
    return found


class PeriodWatch:
    """Logs each unclaimed period once; every process that watches has one of its own."""

    def __init__(self) -> None:
        self._told: set[tuple[str, datetime]] = set()

    def look(self) -> list[UnclaimedPeriod]:
        """The unclaimed periods that are news; each was logged as an error."""
        found = unclaimed_periods()
        news = [one for one in found if (one.schedule, one.starts_at) not in self._told]
        for one in news:
            log.error(
                "period_not_claimed",
                schedule=one.schedule,
                starts_at=one.starts_at.isoformat(),
                late_seconds=one.late_seconds,
            )
        self._told = {(one.schedule, one.starts_at) for one in found}
        return news


def newest_claims(schedules: Iterable[Schedule]) -> dict[str, bool]:
    """By the schedule's name, whether its present period is claimed."""
    with connection.cursor() as cursor:
        now = _database_now(cursor)
        periods = {one.name: one.period(now) for one in schedules}
        cursor.execute(
            "SELECT schedule, max(starts_at) FROM queues_scheduleperiod"
            " WHERE schedule = ANY(%s) GROUP BY schedule",
            [list(periods)],
        )
        newest = dict(cursor.fetchall())
    return {name: newest.get(name) == period for name, period in periods.items()}


def overdue_offers(*, older_than_seconds: float) -> list[Schedule]:
    """Schedules whose present period began so long ago and is free: for when beat's ticks are lost.

    The drainer offers them itself; claiming stays as it is.
    """
    claimed = newest_claims(SCHEDULES)
    with connection.cursor() as cursor:
        now = _database_now(cursor)
    return [
        schedule
        for schedule in SCHEDULES
        if not claimed[schedule.name]
        and (now - schedule.period(now)).total_seconds() >= older_than_seconds
        and not schedule.is_too_late(now)
    ]


def _database_now(cursor: CursorWrapper) -> datetime:
    cursor.execute("SELECT now()")
    now: datetime = cursor.fetchone()[0]
    return now


def beat_schedule(schedules: Iterable[Schedule] = SCHEDULES) -> dict[str, dict[str, Any]]:
    """Celery's table. A tick nobody took before the next one is worth nothing, so it expires."""
    return {
        schedule.name: {
            "task": str(schedule.task),
            "schedule": min(TICK_SECONDS, schedule.every_seconds),
            "kwargs": {"schedule": schedule.name},
            "options": {
                "queue": str(TASK_QUEUES[schedule.task]),
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
