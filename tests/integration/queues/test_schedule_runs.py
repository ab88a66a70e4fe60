"""Each period at most once, its rule when it was missed, and who is told when nobody came."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from celery import current_app
from celery.exceptions import Retry
from django.db import connection
from structlog.testing import capture_logs

from apps.queues import heartbeats, schedules
from apps.queues.base_task import StationTask
from apps.queues.models import SchedulePeriod
from apps.queues.schedules import (
    SCHEDULES,
    TICK_SECONDS,
    Missed,
    PeriodWatch,
    Schedule,
    claim_named_period,
    claim_period,
    overdue_offers,
    unclaimed_periods,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_django import Settings

MakeJob = Callable[[Callable[[], None]], StationTask]
JOB = Schedule("trial-job", "tests.job", 600, grace_seconds=300)
SKIPPING = Schedule("trial-skip", "tests.job", 600, missed=Missed.SKIP, grace_seconds=60)

pytestmark = pytest.mark.django_db


class Clock:
    """The database's clock, as a test sets it."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)

    def forward(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """All migrations were applied long before."""
    clock = Clock()
    monkeypatch.setattr(schedules, "_database_now", lambda _: clock.now)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE django_migrations SET applied = '2026-01-01'")
    return clock


def ran_at(schedule: Schedule, clock: Clock, ticks: Sequence[float]) -> list[float]:
    """Which of the ticks (seconds from noon) ran the job."""
    noon = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
    ran = []
    for tick in ticks:
        clock.now = noon + timedelta(seconds=tick)
        if claim_period(schedule):
            ran.append(tick)
    return ran


def test_two_beats_run_each_period_once(clock: Clock) -> None:
    ticks = [tick + offset for tick in range(0, 1800, 20) for offset in (0, 7)]

    assert ran_at(JOB, clock, ticks) == [0, 600, 1200]


def test_beat_killed_every_minute_runs_each_period_once(clock: Clock) -> None:
    # Started anew at :00, it ticks TICK_SECONDS later and is killed before its fourth tick.
    ticks = [minute * 60 + tick * TICK_SECONDS for minute in range(30) for tick in (1, 2)]

    assert ran_at(JOB, clock, ticks) == [20, 620, 1220]


def test_no_beat_for_ten_minutes_runs_late_once_or_skips_by_the_rule(clock: Clock) -> None:
    ticks = [0.0, 20, 40, *range(700, 1800, 20)]

    assert ran_at(JOB, clock, ticks) == [0, 700, 1200]
    assert ran_at(SKIPPING, clock, ticks) == [0, 1200]


def test_period_nobody_claimed_within_its_grace_is_told(clock: Clock) -> None:
    claim_period(JOB)
    clock.forward(600 + 299)
    in_grace = unclaimed_periods([JOB])
    clock.forward(2)
    (late,) = unclaimed_periods([JOB])
    claim_period(JOB)
    healed = unclaimed_periods([JOB])

    assert in_grace == []
    assert (late.schedule, late.late_seconds) == ("trial-job", 301)
    assert late.starts_at == datetime(2026, 1, 5, 12, 10, tzinfo=UTC)
    assert healed == []


def test_fresh_installation_has_its_grace_from_there(clock: Clock) -> None:
    clock.forward(400)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE django_migrations SET applied = %s", [clock.now - timedelta(seconds=200)]
        )

    fresh = unclaimed_periods([JOB])
    clock.forward(101)

    assert fresh == []
    assert len(unclaimed_periods([JOB])) == 1


def test_watch_tells_each_late_period_once_as_an_error(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schedules, "unclaimed_periods", lambda: unclaimed_periods([JOB]))
    watch = PeriodWatch()
    clock.forward(400)

    with capture_logs() as lines:
        watch.look()
        watch.look()
        clock.forward(600)
        watch.look()

    told = [(line["log_level"], line["schedule"]) for line in lines]
    assert told == [("error", "trial-job")] * 2


def test_drainer_is_offered_what_no_tick_has_brought(clock: Clock) -> None:
    for schedule in SCHEDULES:
        claim_period(schedule)
    nothing = overdue_offers(older_than_seconds=60)
    last = max(SCHEDULES, key=lambda one: one.every_seconds)
    SchedulePeriod.objects.filter(schedule=last.name).delete()
    clock.now = last.period(clock.now) + timedelta(seconds=59)
    early = overdue_offers(older_than_seconds=60)
    clock.forward(1)

    assert nothing == []
    assert last not in early
    assert last in overdue_offers(older_than_seconds=60)


@pytest.fixture
def job(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Iterator[MakeJob]:
    """Makes a scheduled task of the trial job that does the given thing."""
    monkeypatch.setattr(schedules, "SCHEDULES", (*SCHEDULES, JOB))

    def make(work: Callable[[], None]) -> StationTask:
        def run(*, schedule: str) -> None:
            if claim_named_period(schedule):
                work()

        task: StationTask = current_app.task(name="tests.job", base=StationTask)(run)
        return task

    yield make
    current_app.tasks.unregister("tests.job")


def deliver(task: StationTask) -> Any:
    task.push_request(args=[], kwargs={"schedule": JOB.name}, retries=0, is_eager=True,
                      called_directly=False, delivery_info={"routing_key": "control"})  # fmt: skip
    try:
        return task(schedule=JOB.name)
    finally:
        task.pop_request()


def test_job_that_raises_gives_its_period_back_for_the_next_try(clock: Clock, job: MakeJob) -> None:
    tries: list[int] = []

    def fail_once() -> None:
        tries.append(1)
        if len(tries) == 1:
            raise RuntimeError

    task = job(fail_once)
    with pytest.raises(Retry):
        deliver(task)
    deliver(task)
    deliver(task)

    assert len(tries) == 2
    assert SchedulePeriod.objects.filter(schedule=JOB.name).count() == 1


class _Watcher(BaseHTTPRequestHandler):
    """A dead man's switch; one path of it never answers."""

    calls: list[str] = []

    def do_POST(self) -> None:
        self.calls.append(self.path)
        if self.path.startswith("/slow"):
            time.sleep(3)
        self.send_response(500 if self.path.startswith("/ill") else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def watcher(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(_Watcher, "calls", [])
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Watcher)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_heartbeat_is_told_after_a_run_and_not_after_a_failure(
    clock: Clock,
    job: MakeJob,
    watcher: str,
    settings: Settings,
) -> None:
    settings.HEARTBEAT_URLS = {JOB.name: f"{watcher}/ping?job=1"}
    outcomes = iter([RuntimeError(), None])

    def work() -> None:
        error = next(outcomes)
        if error:
            raise error

    task = job(work)
    with pytest.raises(Retry):
        deliver(task)
    after_failure = list(_Watcher.calls)
    deliver(task)
    deliver(task)

    assert after_failure == []
    assert _Watcher.calls == ["/ping?job=1"]


@pytest.mark.parametrize("path", ["/slow", "/ill"])
def test_heartbeat_that_is_slow_or_ill_fails_no_job(
    path: str,
    job: MakeJob,
    watcher: str,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(heartbeats, "TOTAL_SECONDS", 0.3)
    heartbeats._transport.cache_clear()
    settings.HEARTBEAT_URLS = {JOB.name: f"{watcher}{path}"}
    started = time.monotonic()

    with capture_logs() as lines:
        deliver(job(lambda: None))

    assert time.monotonic() - started < 2
    assert [line["event"] for line in lines if line["log_level"] == "warning"] == [
        "heartbeat_failed"
    ]
    heartbeats._transport.cache_clear()
