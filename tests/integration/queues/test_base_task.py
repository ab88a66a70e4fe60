"""The one retry policy, by the class of the error; tasks are called as a worker calls them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from billiard.exceptions import WorkerLostError
from celery import current_app
from celery.exceptions import Ignore, Retry
from django.db import OperationalError, connection, transaction
from structlog.testing import capture_logs

from apps.queues import poison
from apps.queues.base_task import DEFAULT_ATTEMPTS, StationTask
from apps.queues.correlation import correlation_id
from apps.queues.enqueueing import CORRELATION_HEADER, DEATHS_HEADER
from apps.queues.models import DeadLetter
from apps.queues.names import Queue, TaskName

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.django_db


def make_task(body: Callable[..., Any]) -> StationTask:
    return current_app.task(name=f"tests.{body.__name__}", base=StationTask)(body)


def deliver(task: StationTask, *, attempt: int = 1, **kwargs: Any) -> Any:
    task.push_request(
        args=[],
        kwargs=kwargs,
        retries=attempt - 1,
        delivery_info={"routing_key": "control", "exchange": ""},
        called_directly=False,
        is_eager=True,
        **{CORRELATION_HEADER: "the-request-1"},
    )
    try:
        return task(**kwargs)
    finally:
        task.pop_request()


def test_task_runs_under_the_callers_correlation_id_and_leaves_one_line() -> None:
    seen: list[str] = []

    def note_id(*, row_id: int) -> None:
        seen.append(correlation_id())

    with capture_logs() as lines:
        deliver(make_task(note_id), row_id=1)

    ended = [line for line in lines if line["event"] == "task_ended"]
    assert seen == ["the-request-1"]
    assert len(ended) == 1
    assert ended[0]["outcome"] == "done"
    assert (ended[0]["queue"], ended[0]["attempt"], ended[0]["attempts_left"]) == ("control", 1, 3)
    assert ended[0]["duration_ms"] >= 0


def test_newer_caller_may_send_arguments_an_older_worker_does_not_know() -> None:
    def take_the_rest(*, row_id: int, **_: object) -> int:
        return row_id

    assert deliver(make_task(take_the_rest), row_id=3, invented_later=1) == 3


def test_error_is_tried_again_and_leaves_no_letter_yet() -> None:
    def fail(*, row_id: int) -> None:
        raise RuntimeError

    with pytest.raises(Retry):
        deliver(make_task(fail), row_id=1)

    assert not DeadLetter.objects.exists()


def test_spent_attempts_become_a_dead_letter_with_the_arguments() -> None:
    def fail_for_good(*, row_id: int) -> None:
        raise RuntimeError("no such thing")

    with pytest.raises(Ignore):
        deliver(make_task(fail_for_good), attempt=DEFAULT_ATTEMPTS, row_id=9)

    letter = DeadLetter.objects.get()
    assert (letter.queue, letter.task) == ("control", "tests.fail_for_good")
    assert (letter.reason, letter.payload, letter.attempts) == ("attempts_spent", {"row_id": 9}, 4)
    assert letter.correlation_id == "the-request-1"
    assert "no such thing" in letter.error


def test_wrong_arguments_are_a_dead_letter_at_once() -> None:
    def take_one(*, row_id: int) -> None:
        pass

    with pytest.raises(Ignore):
        deliver(make_task(take_one), wrong=1)

    assert DeadLetter.objects.get().reason == "wrong_arguments"


def test_type_error_inside_the_task_is_an_error_like_any_other() -> None:
    def add_text_to_number(*, row_id: int) -> None:
        row_id + "x"  # type: ignore[operator]

    with pytest.raises(Retry):
        deliver(make_task(add_text_to_number), row_id=1)


def test_database_that_is_away_is_nobodys_fault() -> None:
    def lose_the_database(*, row_id: int) -> None:
        raise OperationalError

    with pytest.raises(Ignore):
        deliver(make_task(lose_the_database), attempt=DEFAULT_ATTEMPTS, row_id=1)

    assert not DeadLetter.objects.exists()


def test_database_that_is_read_only_is_nobodys_fault() -> None:
    def write(*, row_id: int) -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION READ ONLY")
            cursor.execute("DELETE FROM queues_deadletter")

    with pytest.raises(Ignore):
        deliver(make_task(write), attempt=DEFAULT_ATTEMPTS, row_id=1)

    assert not DeadLetter.objects.exists()


class Message:
    """A wake-up as kombu hands it over."""

    def __init__(self, payload: object, routing_key: str) -> None:
        self.payload = payload
        self.delivery_info = {"routing_key": routing_key}


@pytest.mark.parametrize(
    ("payload", "routing_key", "kept", "queue"),
    [
        ([[], {"id": 1, "note": "x" * 500}, {}], "sms", {"id": 1, "note": "x" * 200}, "sms"),
        ("nonsense", "no-such-queue", {}, "control"),
        ([], "events", {}, "events"),
    ],
)
def test_unknown_task_is_kept_for_a_person_to_see(
    payload: object, routing_key: str, kept: dict[str, object], queue: str
) -> None:
    poison.keep_unknown_task(name="future.task", message=Message(payload, routing_key))

    letter = DeadLetter.objects.get()
    assert (letter.queue, letter.task, letter.reason) == (queue, "future.task", "unknown_task")
    assert letter.payload == kept


def test_death_leaves_a_letter_the_third_time_only_though_the_broker_is_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(poison, "publish", lambda *_, **__: 0)
    monkeypatch.setattr(poison, "close_old_connections", lambda: None)  # the test's among them

    def die(deaths_before: int) -> None:
        poison.note_death(
            task=TaskName.SEND_BATCHES,
            queue=Queue.BATCH_EMAIL,
            kwargs={"account_id": 7},
            headers={DEATHS_HEADER: deaths_before},
            error=WorkerLostError("signal 9 (SIGKILL)"),
        )

    die(0)
    die(1)
    letters_before = DeadLetter.objects.count()
    die(2)

    assert letters_before == 0
    letter = DeadLetter.objects.get()
    assert (letter.reason, letter.attempts) == ("killed_its_worker", 3)
    assert letter.payload == {"account_id": 7}
