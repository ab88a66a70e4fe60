from __future__ import annotations

import threading

import pytest
from django.db import connection

from apps.queues.models import SchedulePeriod
from apps.queues.names import TaskName
from apps.queues.schedules import Missed, Schedule, claim_named_period, claim_period

HOURLY = Schedule("hourly", TaskName.PRUNE_PERIODS, 3600)


@pytest.mark.django_db(transaction=True)
def test_many_beats_claim_a_period_once() -> None:
    claims: list[bool] = []
    start = threading.Barrier(8)

    def tick() -> None:
        start.wait()
        claims.append(claim_period(HOURLY))
        connection.close()

    beats = [threading.Thread(target=tick) for _ in range(8)]
    for beat in beats:
        beat.start()
    for beat in beats:
        beat.join()

    assert sorted(claims) == [False] * 7 + [True]
    assert SchedulePeriod.objects.count() == 1


@pytest.mark.django_db
def test_missed_period_is_not_claimed_where_it_is_to_be_skipped() -> None:
    always_late = Schedule(
        "yearly", TaskName.PRUNE_PERIODS, 10**9, missed=Missed.SKIP, grace_seconds=0
    )

    assert claim_period(always_late) is False
    assert not SchedulePeriod.objects.exists()


@pytest.mark.django_db
def test_unknown_schedule_runs_nothing() -> None:
    assert claim_named_period("no-such-schedule") is False
