from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from apps.queues.names import TaskName
from apps.queues.registry import TASK_QUEUES
from apps.queues.schedules import SCHEDULES, Missed, Schedule, beat_schedule

MOMENTS = st.datetimes(
    # Hypothesis wants its bounds naive, and adds the zone.
    min_value=datetime(2020, 1, 1),  # noqa: DTZ001
    max_value=datetime(2040, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)


@given(
    now=MOMENTS,
    every=st.integers(60, 7 * 86400),
    offset=st.integers(0, 86400),
)
def test_period_holds_the_moment_whatever_the_offset(
    now: datetime, every: int, offset: int
) -> None:
    schedule = Schedule("x", TaskName.PRUNE_PERIODS, every, offset_seconds=offset)

    start = schedule.period(now)

    assert start <= now < start + timedelta(seconds=every)
    assert schedule.period(start) == start


def test_late_period_is_skipped_only_where_the_rule_says_so() -> None:
    late = datetime(2026, 1, 1, 0, 10, tzinfo=UTC)
    skipping = Schedule("x", TaskName.PRUNE_PERIODS, 3600, missed=Missed.SKIP, grace_seconds=300)
    running = Schedule("x", TaskName.PRUNE_PERIODS, 3600, grace_seconds=300)

    assert skipping.is_too_late(late)
    assert not skipping.is_too_late(late - timedelta(minutes=6))
    assert not running.is_too_late(late)


def test_beat_offers_every_schedule_at_least_once_a_minute() -> None:
    table = beat_schedule()

    assert set(table) == {schedule.name for schedule in SCHEDULES}
    assert all(entry["schedule"] <= 60 for entry in table.values())


def test_every_task_has_one_queue() -> None:
    assert set(TASK_QUEUES) == set(TaskName)
