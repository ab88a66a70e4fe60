"""What tasks came to, as the database remembers it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import DatabaseError

from apps.queues import figures
from apps.queues.models import QueueMinute, QueueStanding

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "_sums", {})
    monkeypatch.setattr(figures, "_luck", {})
    monkeypatch.setattr(figures, "_written_at", float("-inf"))


def end(*outcomes: str, queue: str = "control") -> None:
    for outcome in outcomes:
        figures.note_task(queue=queue, task="x.y", outcome=outcome, seconds=0.5, error="KeyError")


def test_success_is_written_at_once_and_gathered_after() -> None:
    end("done", "done", "done")
    assert QueueMinute.objects.get().done == 1

    figures.write()

    minute, standing = QueueMinute.objects.get(), QueueStanding.objects.get()
    assert (minute.done, minute.failed, minute.busy_seconds) == (3, 0, 1.5)
    assert standing.error_streak == 0
    assert standing.last_success_at is not None
    assert datetime.now(tz=UTC) - standing.last_success_at < timedelta(seconds=10)


def test_streak_grows_over_writes_and_a_success_ends_it() -> None:
    end("retried", "retried")
    figures.write()
    end("attempts_spent")
    figures.write()
    standing = QueueStanding.objects.get()
    assert (standing.error_streak, standing.last_error) == (3, "KeyError")
    assert standing.last_success_at is None

    end("done", "retried")
    figures.write()

    assert QueueStanding.objects.get().error_streak == 1


def test_streaks_of_two_workers_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(2):
        monkeypatch.setattr(figures, "_luck", {})
        end("retried", "retried", "retried")
        figures.write()

    assert QueueStanding.objects.get().error_streak == 6


def test_deferred_tasks_are_neither_success_nor_failure() -> None:
    end("deferred", "database_away")
    figures.write()

    assert not QueueStanding.objects.exists()


def test_what_could_not_be_written_is_written_later(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise DatabaseError

    with monkeypatch.context() as patch:
        patch.setattr(figures, "_write_sum", fail)
        end("done", "retried")
    figures.write()

    minute, standing = QueueMinute.objects.get(), QueueStanding.objects.get()
    assert (minute.done, minute.failed, standing.error_streak) == (1, 1, 1)


def test_units_come_with_the_task_that_settled_them() -> None:
    figures.note_units("batch-email", 100)
    figures.note_units("batch-email", 40)
    end("done", queue="batch-email")

    assert QueueMinute.objects.get().units == 140
