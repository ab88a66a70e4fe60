"""Working off what is due without the broker."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from celery import current_app
from django.conf import settings
from redis import Redis

from apps.queues import draining, registry, sweeping
from apps.queues.base_task import StationTask
from apps.queues.correlation import bind_correlation_id
from apps.queues.draining import Drainer, Wakers, open_wakers, work_off
from apps.queues.enqueueing import publish
from apps.queues.models import DeadLetter
from apps.queues.names import Queue, TaskName
from apps.queues.schedules import SCHEDULES, claim_period
from apps.queues.sweeping import Due, register_due_source
from tests.integration.queues.throwaway_valkey import ThrowawayValkey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

TASK = "tests.drained"


class FakeWakers(Wakers):
    """The broker as a test says it is."""

    def __init__(self, *, usable: bool, untaken_seconds: float = 0.0) -> None:
        self.usable, self.untaken = usable, untaken_seconds

    def is_broker_usable(self) -> bool:
        return self.usable

    def untaken_seconds(self, queue: str) -> float:
        return self.untaken


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No sources but the test's own, and no scheduled job is late."""
    monkeypatch.setattr(sweeping, "_sources", {})
    monkeypatch.setattr(draining, "overdue_offers", lambda **_: [])


@pytest.fixture
def worked(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The row ids that the task was run with, by whom ever."""
    seen: list[int] = []

    def note(*, row_id: int) -> None:
        seen.append(row_id)

    yield from _task(note, seen, monkeypatch)


def _task(body: Callable[..., None], result: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setitem(registry._task_queues, TASK, Queue.CONTROL.value)
    current_app.task(name=TASK, base=StationTask)(body)
    yield result
    current_app.tasks.unregister(TASK)


def due(row_id: int = 1, *, oldest: float | None = None) -> Due:
    return Due(TASK, 1, {"row_id": row_id}, oldest)


def drainer(wakers: Wakers, *, after: float = 10.0) -> Drainer:
    return Drainer(wakers=wakers, after_seconds=after)


def let_finish(one: Drainer) -> None:
    deadline = time.monotonic() + 10
    while one.is_busy() and time.monotonic() < deadline:
        time.sleep(0.01)


@pytest.mark.django_db(transaction=True)
def test_old_work_is_done_while_the_broker_is_dead(worked: list[int]) -> None:
    register_due_source("test", lambda: [due(7, oldest=11)])
    one = drainer(FakeWakers(usable=False))

    given = one.look()
    let_finish(one)

    assert (given, worked) == (1, [7])


@pytest.mark.django_db(transaction=True)
def test_young_work_is_left_to_the_workers(worked: list[int]) -> None:
    register_due_source("test", lambda: [due(oldest=9.9)])

    assert drainer(FakeWakers(usable=False)).look() == 0
    assert worked == []


@pytest.mark.django_db(transaction=True)
def test_young_work_is_done_once_the_broker_has_long_been_dead(worked: list[int]) -> None:
    rows = [due(1, oldest=0.5)]
    register_due_source("test", lambda: rows)
    one = drainer(FakeWakers(usable=False), after=0.2)
    one.look()
    let_finish(one)
    time.sleep(0.25)

    rows[:] = [due(2, oldest=0.0)]
    one.look()
    let_finish(one)

    assert worked == [1, 2]


@pytest.mark.django_db(transaction=True)
def test_work_is_left_to_the_workers_while_they_take_wake_ups(worked: list[int]) -> None:
    register_due_source("test", lambda: [due(oldest=3600)])

    assert drainer(FakeWakers(usable=True, untaken_seconds=9)).look() == 0
    assert worked == []


@pytest.mark.django_db(transaction=True)
def test_work_whose_wake_ups_nobody_takes_is_done(worked: list[int]) -> None:
    register_due_source("test", lambda: [due(oldest=3600)])
    one = drainer(FakeWakers(usable=True, untaken_seconds=11))

    one.look()
    let_finish(one)

    assert worked == [1]


@pytest.mark.django_db(transaction=True)
def test_age_is_remembered_where_the_source_tells_none(worked: list[int]) -> None:
    register_due_source("test", lambda: [due()])
    one = drainer(FakeWakers(usable=False), after=0.2)

    first = one.look()
    time.sleep(0.25)
    second = one.look()
    let_finish(one)

    assert (first, second, worked) == (0, 1, [1])


@pytest.mark.django_db(transaction=True)
def test_accounts_of_one_queue_take_turns(worked: list[int]) -> None:
    register_due_source("test", lambda: [due(1, oldest=11), due(2, oldest=11)])
    one = drainer(FakeWakers(usable=False))

    for _ in range(4):
        one.look()
        let_finish(one)

    assert sorted(worked) == [1, 1, 2, 2]


@pytest.fixture
def stuck(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    release = threading.Event()

    def hang(*, row_id: int) -> None:
        release.wait(20)

    yield from _task(hang, release, monkeypatch)
    release.set()


@pytest.mark.django_db(transaction=True)
def test_slow_queue_neither_holds_up_another_nor_gets_a_second_turn(
    stuck: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    closings: list[bool] = []
    monkeypatch.setattr("apps.mail.mailings.close_finished", lambda: closings.append(True))
    monkeypatch.setitem(registry._task_queues, TASK, Queue.SMS.value)
    register_due_source("test", lambda: [due(oldest=11), Due(TaskName.CLOSE_MAILINGS, 1, {}, 11)])
    one = drainer(FakeWakers(usable=False))

    first = one.look()
    deadline = time.monotonic() + 10
    while one._hands["control"].busy_since is not None and time.monotonic() < deadline:
        time.sleep(0.01)
    second = one.look()
    stuck.set()
    let_finish(one)

    assert (first, second) == (2, 1)
    assert len(closings) == 2


@pytest.mark.django_db(transaction=True)
def test_task_that_outlives_its_limit_is_told(
    stuck: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    register_due_source("test", lambda: [due(oldest=11)])
    one = drainer(FakeWakers(usable=False))
    one.look()

    before = one.overtime()
    monkeypatch.setattr(draining, "OVERTIME_SECONDS", -1000)
    after = one.overtime()
    stuck.set()
    let_finish(one)

    assert (before, after) == ([], ["control"])


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    tries: list[int] = []

    def fail(*, row_id: int) -> None:
        tries.append(row_id)
        raise RuntimeError("no such row")

    yield from _task(fail, tries, monkeypatch)


@pytest.mark.django_db(transaction=True)
def test_task_that_raises_waits_longer_each_time_and_ends_as_a_dead_letter(
    failing: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    register_due_source("test", lambda: [due(oldest=11)])
    one = drainer(FakeWakers(usable=False))
    one.look()
    let_finish(one)

    assert one.look() == 0  # it waits

    for standing in one._standings.values():
        for _ in range(3):
            standing.not_before = 0
            one.look()
            let_finish(one)
    letter = DeadLetter.objects.get()
    assert (letter.reason, letter.attempts, letter.queue) == ("attempts_spent", 4, "control")
    assert len(failing) == 4


@pytest.mark.django_db(transaction=True)
def test_scheduled_job_whose_ticks_are_lost_runs_here(monkeypatch: pytest.MonkeyPatch) -> None:
    runs: list[bool] = []
    prune = next(one for one in SCHEDULES if one.task == TaskName.PRUNE_PERIODS)
    monkeypatch.setattr("apps.queues.tasks.prune", lambda: runs.append(True))
    monkeypatch.setattr(draining, "overdue_offers", lambda **_: [prune])
    one = drainer(FakeWakers(usable=False))

    for _ in range(3):
        one.look()
        let_finish(one)

    assert runs == [True]
    assert claim_period(prune) is False


@pytest.mark.django_db(transaction=True)
def test_working_off_a_queue_ends_at_its_limit_and_tells_what_is_left(worked: list[int]) -> None:
    register_due_source("test", lambda: [due(n) for n in (1, 2, 3) if n not in worked])

    first = work_off(queue="control", limit=2, deadline_seconds=10)
    second = work_off(queue="control", limit=2, deadline_seconds=10)

    assert (first.turns, first.is_empty) == (2, False)
    assert (second.turns, second.is_empty) == (1, True)


@pytest.mark.django_db(transaction=True)
def test_working_off_a_queue_tries_what_raises_once_and_goes_on(failing: list[int]) -> None:
    register_due_source("test", lambda: [due(1), due(2)])

    done = work_off(queue="control", limit=10, deadline_seconds=10)

    assert (done.turns, done.failed, failing) == (2, 2, [1, 2])


def test_wakers_tell_how_long_the_oldest_wake_up_has_waited() -> None:
    with Redis.from_url(settings.REDIS_URL) as broker:
        broker.delete("control")
        wakers = open_wakers()
        empty = wakers.untaken_seconds("control")
        publish(TaskName.CLOSE_MAILINGS, ids={}, correlation=bind_correlation_id(None))
        time.sleep(0.2)
        publish(TaskName.CLOSE_MAILINGS, ids={}, correlation=bind_correlation_id(None))

        assert empty == 0
        assert 0.2 <= wakers.untaken_seconds("control") < 5
        broker.lpop("control")
        broker.rpush("control", b"no wake-up at all")
        assert wakers.untaken_seconds("control") == 0
        broker.delete("control")


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[ThrowawayValkey]:
    server = ThrowawayValkey(tmp_path)
    server.start()
    yield server
    server.kill()


def test_broker_that_is_full_frozen_or_gone_is_not_usable(valkey: ThrowawayValkey) -> None:
    def usable() -> bool:
        with Redis.from_url(valkey.url, socket_timeout=0.5, socket_connect_timeout=0.5) as client:
            return Wakers(client).is_broker_usable()

    well = usable()
    with Redis.from_url(valkey.url) as client:
        client.config_set("maxmemory", 1)
        full = usable()
        client.config_set("maxmemory", 0)
    valkey.hang()
    frozen = usable()
    valkey.go_on()
    again = usable()
    valkey.kill()

    assert (well, full, frozen, again, usable()) == (True, False, False, True, False)
