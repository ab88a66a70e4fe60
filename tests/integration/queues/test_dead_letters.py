from __future__ import annotations

import threading

import pytest
from django.db import IntegrityError, connection, transaction

from apps.queues import dead_letters
from apps.queues.errors import DeadLetterClosedError, UnknownSubjectError
from apps.queues.models import DeadLetter
from apps.queues.names import Queue, TaskName

pytestmark = pytest.mark.django_db


@pytest.fixture
def driven(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    ids: list[int] = []
    monkeypatch.setitem(dead_letters._redrives, "test.row", ids.append)
    return ids


def open_letter(subject_id: int = 7, reason: str = "key_expired") -> int:
    return dead_letters.record(
        queue=Queue.BATCH_EMAIL,
        task=TaskName.SEND_BATCHES,
        subject="test.row",
        subject_id=subject_id,
        reason=reason,
        attempts=3,
    )


def test_same_work_renews_its_open_letter() -> None:
    first = open_letter(reason="throttled")
    second = open_letter(reason="key_expired")

    letter = DeadLetter.objects.get()
    assert first == second == letter.pk
    assert letter.reason == "key_expired"
    assert letter.attempts == 4


def test_same_wake_up_renews_its_open_letter() -> None:
    for _ in range(2):
        dead_letters.record(
            queue=Queue.CONTROL, task="x.y", reason="unknown_task", payload={"id": 1}
        )
    dead_letters.record(queue=Queue.CONTROL, task="x.y", reason="unknown_task", payload={"id": 2})

    assert DeadLetter.objects.count() == 2


def test_redrive_makes_the_row_due_and_keeps_the_letter_as_history(driven: list[int]) -> None:
    letter_id = open_letter()

    dead_letters.redrive(letter_id=letter_id, by="ada")

    letter = DeadLetter.objects.get()
    assert driven == [7]
    assert (letter.state, letter.closed_by) == ("redriven", "ada")


def test_second_redrive_is_refused(driven: list[int]) -> None:
    letter_id = open_letter()
    dead_letters.redrive(letter_id=letter_id, by="ada")

    with pytest.raises(DeadLetterClosedError):
        dead_letters.redrive(letter_id=letter_id, by="bob")

    assert driven == [7]


def test_letter_stays_open_when_the_redrive_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: int) -> None:
        raise RuntimeError

    monkeypatch.setitem(dead_letters._redrives, "test.row", fail)
    letter_id = open_letter()

    with pytest.raises(RuntimeError):
        dead_letters.redrive(letter_id=letter_id, by="ada")

    assert DeadLetter.objects.get().state == "open"


def test_redrive_of_a_subject_nobody_registered_is_told(driven: list[int]) -> None:
    letter_id = dead_letters.record(
        queue=Queue.SMS, task="x.y", subject="no.such", subject_id=1, reason="spent"
    )

    with pytest.raises(UnknownSubjectError):
        dead_letters.redrive(letter_id=letter_id, by="ada")

    assert DeadLetter.objects.get().state == "open"


def test_many_are_driven_again_past_the_closed_ones(driven: list[int]) -> None:
    ids = [open_letter(subject_id=one) for one in (1, 2, 3)]
    dead_letters.discard(letter_id=ids[1], by="ada", note="not needed")

    assert dead_letters.redrive_many(letter_ids=ids, by="bob") == 2
    assert driven == [1, 3]


@pytest.mark.django_db(transaction=True)
def test_two_people_pressing_at_once_drive_it_once(driven: list[int]) -> None:
    letter_id = open_letter()
    outcomes: list[str] = []
    start = threading.Barrier(2)

    def press(name: str) -> None:
        start.wait()
        try:
            dead_letters.redrive(letter_id=letter_id, by=name)
            outcomes.append("driven")
        except DeadLetterClosedError:
            outcomes.append("refused")
        finally:
            connection.close()

    people = [threading.Thread(target=press, args=(name,)) for name in ("ada", "bob")]
    for person in people:
        person.start()
    for person in people:
        person.join()

    assert sorted(outcomes) == ["driven", "refused"]
    assert driven == [7]


@pytest.mark.parametrize(
    "wrong",
    [
        {"state": "open", "closed_at": "2026-01-01T00:00:00Z"},
        {"state": "redriven", "closed_at": None},
        {"subject": "x", "subject_id": None},
        {"subject": "", "subject_id": 3},
    ],
)
def test_contradicting_letter_is_refused_by_the_database(wrong: dict[str, object]) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        DeadLetter.objects.create(queue="sms", task="x.y", reason="spent", **wrong)
