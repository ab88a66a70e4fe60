from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from django.db import IntegrityError, connection

from apps.queues import bulk_redriving, dead_letters
from apps.queues.errors import (
    NoOpenLettersError,
    NoteMissingError,
    NotRedrivableError,
)
from apps.queues.models import BulkRedrive, DeadLetter
from apps.queues.names import Queue, TaskName

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.django_db


@pytest.fixture
def driven(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    ids: list[int] = []
    monkeypatch.setitem(dead_letters._redrives, "test.row", ids.append)
    monkeypatch.setitem(dead_letters._brands, "test.row", lambda pk: pk % 2 + 1)
    return ids


def open_letters(*subjects: int, reason: str = "throttled", queue: str = "batch-email") -> None:
    for subject in subjects:
        dead_letters.record(
            queue=queue,
            task=TaskName.SEND_BATCHES,
            subject="test.row",
            subject_id=subject,
            reason=reason,
        )


def test_all_of_a_kind_are_driven_page_by_page(
    driven: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk_redriving, "PAGE", 2)
    open_letters(1, 2, 3, 4, 5)
    open_letters(6, reason="unreachable")
    open_letters(7, queue="events")

    bulk = bulk_redriving.ask(queue="batch-email", reason="throttled", by="user:1 ada")
    bulk_redriving.drive(bulk_id=bulk.pk)

    bulk.refresh_from_db()
    assert driven == [1, 2, 3, 4, 5]
    assert (bulk.driven, bulk.refused) == (5, 0)
    assert bulk.finished_at is not None
    assert set(DeadLetter.objects.open().values_list("subject_id", flat=True)) == {6, 7}
    assert DeadLetter.objects.exclude(closed_by="").first().closed_by == "user:1 ada"  # type: ignore[union-attr]


def test_letters_that_come_later_are_left_alone(driven: list[int]) -> None:
    open_letters(1)
    bulk = bulk_redriving.ask(by="ada")
    open_letters(2)

    bulk_redriving.drive(bulk_id=bulk.pk)

    assert driven == [1]


def test_only_letters_of_the_brands_are_driven(driven: list[int]) -> None:
    open_letters(1, 2, 3, 4)
    bulk = bulk_redriving.ask(brand_ids=[2], by="ada")

    bulk_redriving.drive(bulk_id=bulk.pk)

    assert driven == [1, 3]


@pytest.mark.parametrize(
    "error", [NotRedrivableError("Look at ada@example.com first."), IntegrityError("broken")]
)
def test_letter_that_cannot_be_driven_does_not_hold_up_the_others(
    error: Exception, driven: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def redrive(row_id: int) -> None:
        if row_id == 2:
            raise error
        driven.append(row_id)

    monkeypatch.setitem(dead_letters._redrives, "test.row", redrive)
    open_letters(1, 2, 3)

    bulk = bulk_redriving.ask(by="ada")
    bulk_redriving.drive(bulk_id=bulk.pk)

    bulk.refresh_from_db()
    assert driven == [1, 3]
    assert (bulk.driven, bulk.refused) == (2, 1)
    assert "example.com" not in bulk.last_refusal
    assert DeadLetter.objects.open().get().subject_id == 2


def test_asking_for_nothing_says_so() -> None:
    with pytest.raises(NoOpenLettersError):
        bulk_redriving.ask(queue="sms", by="ada")

    assert not BulkRedrive.objects.exists()


def test_unfinished_wish_is_due_until_it_is_done(driven: list[int]) -> None:
    open_letters(1)
    bulk = bulk_redriving.ask(by="ada")
    assert [due.ids for due in bulk_redriving.due_bulks()] == [{"bulk_id": bulk.pk}]

    bulk_redriving.drive(bulk_id=bulk.pk)

    assert not list(bulk_redriving.due_bulks())


@pytest.mark.django_db(transaction=True)
def test_many_who_press_at_once_drive_each_letter_once(driven: list[int]) -> None:
    open_letters(*range(1, 31))
    bulks = [bulk_redriving.ask(by=f"user:{number}") for number in range(4)]
    start = threading.Barrier(5)

    together(
        start,
        *[lambda pk=bulk.pk: bulk_redriving.drive(bulk_id=pk) for bulk in bulks],
        lambda: dead_letters.redrive_many(
            letter_ids=list(DeadLetter.objects.values_list("pk", flat=True)), by="user:9"
        ),
    )

    assert sorted(driven) == list(range(1, 31))
    assert not DeadLetter.objects.open().exists()


def together(start: threading.Barrier, *works: Callable[[], object]) -> None:
    def run(work: Callable[[], object]) -> None:
        start.wait()
        try:
            work()
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=[work]) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_unknown_task_is_driven_again_only_once_it_is_known() -> None:
    letter_id = dead_letters.record(
        queue=Queue.CONTROL, task="later.task", reason="unknown_task", payload={"id": 1}
    )

    with pytest.raises(NotRedrivableError, match=r"later\.task"):
        dead_letters.redrive(letter_id=letter_id, by="ada")

    assert DeadLetter.objects.open().count() == 1


def test_discarding_needs_a_note() -> None:
    letter_id = dead_letters.record(queue=Queue.CONTROL, task="x.y", reason="r")

    with pytest.raises(NoteMissingError):
        dead_letters.discard(letter_id=letter_id, by="ada", note="  ")


def test_letter_keeps_neither_addresses_nor_keys() -> None:
    dead_letters.record(
        queue=Queue.CONTROL,
        task="x.y",
        reason="r",
        error="Key (address)=(ada@example.com) exists; re_abcDEF123456 was used",
        payload={"id": 1, "to": "ada@example.com"},
    )

    letter = DeadLetter.objects.get()
    assert letter.error == "Key (address)=(<address>) exists; <key> was used"
    assert letter.payload == {"id": 1, "to": "<address>"}
    assert letter.brand_id is None


def test_letter_knows_whose_work_it_is(driven: list[int]) -> None:
    open_letters(7)

    assert DeadLetter.objects.get().brand_id == 2
