from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

import pytest
from django.db import connection

from apps.queues import dead_letters, figures, holding, registry, watermarks
from apps.queues.breaking import Phase
from apps.queues.health import backlogs, reading
from apps.queues.health.backlogs import Backlog
from apps.queues.health.reading import read_health
from apps.queues.models import Alert, QueueStanding
from apps.queues.names import Queue
from apps.queues.registry import QUEUES, Watermarks

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_django.fixtures import Settings

pytestmark = pytest.mark.django_db

NAME = Queue.AUDIENCE


class Waiting:
    """What the queue under test says of itself."""

    def __init__(self) -> None:
        self.answer: Callable[[], Backlog] = lambda: Backlog(0)

    def __call__(self) -> Backlog:
        return self.answer()

    def due(self, number: int) -> None:
        self.answer = lambda: Backlog(number)

    def fail(self) -> None:
        def answer() -> Backlog:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1/0")
            return Backlog(0)

        self.answer = answer


@pytest.fixture
def waiting(monkeypatch: pytest.MonkeyPatch) -> Waiting:
    one = Waiting()
    monkeypatch.setitem(backlogs._sources, NAME, {"rows": one})
    marks = Watermarks(depth=10, age_seconds=100, dead_letters=1, silence_seconds=60)
    changed = {**QUEUES, NAME: replace(QUEUES[NAME], watermarks=marks)}
    monkeypatch.setattr(watermarks, "QUEUES", MappingProxyType(changed))
    monkeypatch.setattr(watermarks, "unclaimed_periods", list)
    monkeypatch.setattr(watermarks, "_unknown_since", {})
    return one


def open_kinds() -> set[str]:
    return set(Alert.objects.open().filter(subject=NAME).values_list("kind", flat=True))


def test_depth_above_the_mark_raises_and_clears_well_below_it(waiting: Waiting) -> None:
    waiting.due(11)
    watermarks.watch()
    watermarks.watch()
    assert open_kinds() == {"queue_depth"}
    assert Alert.objects.filter(kind="queue_depth").count() == 1

    waiting.due(9)
    watermarks.watch()
    assert open_kinds() == {"queue_depth"}

    waiting.due(8)
    watermarks.watch()
    assert open_kinds() == set()


def test_depth_at_the_mark_raises_nothing(waiting: Waiting) -> None:
    waiting.due(10)
    watermarks.watch()

    assert open_kinds() == set()


def test_source_that_fails_is_unknown_and_changes_no_alert(waiting: Waiting) -> None:
    waiting.due(11)
    watermarks.watch()
    waiting.fail()
    watermarks.watch()

    one = read_health().queues[NAME]
    assert one.queue_length == "unknown"
    assert one.oldest_due_seconds == "unknown"
    assert one.status == "alert"
    assert one.warnings == ("rows could not be read (DataError)",)
    assert open_kinds() == {"queue_depth"}


def test_queue_unknown_for_a_minute_is_an_alert(waiting: Waiting) -> None:
    waiting.fail()
    watermarks.watch()
    assert open_kinds() == set()

    watermarks._unknown_since[NAME] -= 61
    watermarks.watch()
    assert open_kinds() == {"health_unknown"}

    waiting.due(0)
    watermarks.watch()
    assert open_kinds() == set()


def test_due_work_without_success_is_silence(waiting: Waiting) -> None:
    waiting.due(1)
    watermarks.watch()
    set_standing(due_since="interval '61 seconds'", last_success_at="interval '2 hours'")
    watermarks.watch()
    assert open_kinds() == {"queue_silent"}

    set_standing(last_success_at="interval '1 second'")
    watermarks.watch()
    assert open_kinds() == set()


def test_long_idle_queue_that_gets_work_is_not_silent(waiting: Waiting) -> None:
    figures.note_task(queue=NAME, task="x.y", outcome="done", seconds=0.1)
    figures.write()
    set_standing(last_success_at="interval '3 days'")
    waiting.due(1)

    watermarks.watch()

    assert open_kinds() == set()


def test_age_counts_from_the_first_look_where_rows_do_not_say(waiting: Waiting) -> None:
    waiting.due(1)
    watermarks.watch()
    set_standing(due_since="interval '101 seconds'", last_success_at="interval '1 second'")
    watermarks.watch()
    assert open_kinds() == {"queue_age"}

    waiting.due(0)
    watermarks.watch()
    assert open_kinds() == set()
    assert QueueStanding.objects.get(queue=NAME).due_since is None


def test_dead_letters_above_the_mark(waiting: Waiting) -> None:
    for number in (1, 2):
        dead_letters.record(queue=NAME, task="x.y", reason="r", payload={"id": number})

    watermarks.watch()

    assert open_kinds() == {"dead_letters"}


def test_held_queue_is_an_alert_until_it_works_again(
    waiting: Waiting, monkeypatch: pytest.MonkeyPatch
) -> None:
    well = holding.holds()
    held = replace(well[NAME], phase=Phase.OPEN, openings=2)
    with monkeypatch.context() as patch:
        patch.setattr(reading, "holds", lambda: {**well, NAME: held})
        watermarks.watch()
        assert open_kinds() == {"queue_held"}

    watermarks.watch()
    assert open_kinds() == set()


def test_look_is_claimed_once_per_interval(waiting: Waiting, settings: Settings) -> None:
    settings.WATCH_SECONDS = 600
    assert not watermarks.watch_if_due()

    assert [watermarks.watch_if_due() for _ in range(3)] == [True, False, False]


def test_missed_schedule_is_an_alert(waiting: Waiting, monkeypatch: pytest.MonkeyPatch) -> None:
    late = [type("Late", (), {"schedule": "prune-periods", "late_seconds": 400})]
    monkeypatch.setattr(watermarks, "unclaimed_periods", lambda: late)
    watermarks.watch()
    assert Alert.objects.open().get(kind="schedule_missed").subject == "prune-periods"

    monkeypatch.setattr(watermarks, "unclaimed_periods", list)
    watermarks.watch()
    assert not Alert.objects.open().filter(kind="schedule_missed").exists()


def test_every_queue_with_tasks_says_what_waits() -> None:
    silent = [
        name
        for name, one in registry.QUEUES.items()
        if one.tasks and not backlogs._sources.get(name)
    ]

    assert silent == []


def set_standing(**intervals: str) -> None:
    changes = ", ".join(
        f"{column} = statement_timestamp() - {interval}" for column, interval in intervals.items()
    )
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO queues_queuestanding (queue) VALUES ('{NAME}') ON CONFLICT DO NOTHING"
        )
        cursor.execute(f"UPDATE queues_queuestanding SET {changes} WHERE queue = '{NAME}'")
