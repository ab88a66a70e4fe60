"""Queues whose work keeps failing, through the base task and the sweeper; on a real Valkey."""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING, Any

import pytest
from celery.exceptions import Ignore, Retry
from django.db import OperationalError
from structlog.testing import capture_logs

from apps.queues import holding, sweeping
from apps.queues.breaking import Phase
from apps.queues.broker import process_broker
from apps.queues.errors import UnknownQueueError
from apps.queues.limiting import open_broker
from apps.queues.models import DeadLetter
from apps.queues.names import Queue, TaskName
from apps.queues.sweeping import Due
from tests.integration.queues.test_base_task import deliver, make_task

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_django import Settings

pytestmark = pytest.mark.django_db
RUN = 3
HOLD = 1.0
_numbers = itertools.count()


@pytest.fixture(autouse=True)
def _short_holds(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    settings.QUEUE_HOLD_RUN = RUN
    settings.QUEUE_HOLD_SECONDS = HOLD
    settings.QUEUE_LONGEST_HOLD_SECONDS = 10 * HOLD
    monkeypatch.setattr(holding, "QUIET_S", 0.0)
    monkeypatch.setattr(holding, "_gates", {})
    _forget()
    yield
    _forget()


def _forget() -> None:
    process_broker().delete(*(f"breaker:{{{name}}}" for name in (*Queue, "elsewhere")))


class Task:
    """A task of the control queue that fails as told, and counts how often it was run."""

    def __init__(self) -> None:
        self.error: Exception | None = RuntimeError("broken")
        self.runs = 0

        def work(**_: Any) -> None:
            self.runs += 1
            if self.error is not None:
                raise self.error

        work.__name__ = f"work_{next(_numbers)}"
        self._task = make_task(work)

    def bring(self, times: int = 1) -> int:
        """So many wake-ups; how many of them were run."""
        before = self.runs
        for _ in range(times):
            try:
                deliver(self._task)
            except (Ignore, Retry):
                continue
        return self.runs - before


def hold_of(queue: str = "control") -> Any:
    return holding.holds()[queue]


def let_hold_pass() -> None:
    time.sleep(hold_of().held_for_s + 0.01)


def test_queue_whose_work_keeps_failing_is_held_and_burns_nothing() -> None:
    task = Task()

    run = task.bring(20)

    assert run == RUN
    assert hold_of().phase is Phase.OPEN
    assert hold_of().error_run == RUN
    assert not DeadLetter.objects.exists()


def test_other_queues_go_on() -> None:
    Task().bring(20)

    assert hold_of("events").phase is Phase.CLOSED


def test_one_is_tried_and_the_queue_comes_back_by_itself() -> None:
    task = Task()
    task.bring(20)
    task.error = None
    let_hold_pass()

    with capture_logs() as lines:
        run = task.bring(5)

    assert run == 5
    assert hold_of().phase is Phase.CLOSED
    told = [line["event"] for line in lines if "queue_" in line["event"]]
    assert told == ["queue_tries_one", "queue_works_again"]


def test_try_that_fails_holds_for_longer() -> None:
    task = Task()
    task.bring(20)
    let_hold_pass()

    run = task.bring(5)

    assert run == 1
    assert hold_of().held_for_s > HOLD


def test_single_failures_between_successes_hold_nothing() -> None:
    task = Task()

    run = 0
    for error in [RuntimeError("now and then"), None] * 20:
        task.error = error
        run += task.bring()

    assert run == 40


@pytest.mark.parametrize("error", [OperationalError("away"), Ignore()])
def test_what_is_not_the_queues_fault_does_not_count(error: Exception) -> None:
    task = Task()
    task.error = error

    assert task.bring(20) == 20
    assert hold_of().error_run == 0


def test_work_that_goes_well_costs_the_broker_a_word_a_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(holding, "FRESH_S", 60.0)
    task = Task()
    task.error = None
    task.bring()
    script = holding.gate_of("control").breaker._script
    asked: list[object] = []
    call = script.call

    def note(operation: Any) -> Any:
        asked.append(operation)
        return call(operation)

    monkeypatch.setattr(script, "call", note)

    assert task.bring(100) == 100

    assert asked == []


@pytest.fixture
def publish(monkeypatch: pytest.MonkeyPatch) -> Callable[[Due], int]:
    """Sweeps one due source and returns how many wake-ups were published."""
    published: list[int] = []

    def count(task: str, *, copies: int, **_: Any) -> int:
        published.append(copies)
        return copies

    monkeypatch.setattr(sweeping, "publish", count)
    monkeypatch.setattr(sweeping, "free_places", lambda *_: 10)

    def sweep(due: Due) -> int:
        monkeypatch.setattr(sweeping, "_sources", {"test": lambda: [due]})
        sweeping.sweep(redis=process_broker())
        return published.pop()

    return sweep


def test_sweeper_publishes_nothing_for_a_held_queue_but_its_one_try(
    publish: Callable[[Due], int],
) -> None:
    due = Due(TaskName.CLOSE_MAILINGS, 7, {})
    task = Task()
    before = publish(due)
    task.bring(20)
    held = publish(due)
    let_hold_pass()

    one_try = publish(due)
    task.error = None
    task.bring()

    assert (before, held, one_try, publish(due)) == (7, 0, 1, 7)


def test_queue_of_another_system_is_held_alone(publish: Callable[[Due], int]) -> None:
    gate = holding.gate_of(holding.held_as("external", {"queue": "elsewhere"}))
    for _ in range(RUN):
        permit = gate.enter()
        assert permit is not None
        permit.failed()

    assert publish(Due(TaskName.WORK_EXTERNAL, 1, {"queue": "elsewhere"})) == 0
    assert publish(Due(TaskName.WORK_EXTERNAL, 1, {"queue": "another"})) == 1


def test_reset_lets_a_held_queue_work_at_once() -> None:
    task = Task()
    task.bring(20)

    holding.reset(queue="control", by="anna")

    assert task.bring() == 1


def test_reset_of_an_unknown_queue_names_those_that_are() -> None:
    with pytest.raises(UnknownQueueError, match="there are: control"):
        holding.reset(queue="contrl", by="anna")


def test_queue_goes_on_without_a_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = open_broker("redis://127.0.0.1:1/0")
    monkeypatch.setattr(holding, "process_broker", lambda: nowhere)
    task = Task()
    task.error = None

    assert task.bring(20) == 20
    task.error = RuntimeError("broken")
    assert task.bring(20) <= RUN + 1
