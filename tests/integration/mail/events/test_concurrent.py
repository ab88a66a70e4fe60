"""Appliers beside each other, beside the settling of a batch, and beside a person."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db import OperationalError, connection, transaction
from django.utils import timezone

from apps.mail import doubts, outcomes
from apps.mail.errors import StateError
from apps.mail.events import applying
from apps.mail.events.applying import apply_events
from apps.mail.models import Batch, DeliveryEvent, Message
from apps.mail.outcomes import Attempt, Verdict
from apps.queues.models import DeadLetter
from tests.integration.mail.events.deliveries import arrive, body
from tests.integration.mail.events.test_applying import calling, fresh, settled, tell

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from tests.integration.mail.conftest import House


def at_once(*works: Callable[[], Any]) -> None:
    """Runs all in threads of their own, from the same moment; an error of one is the test's."""
    errors: list[BaseException] = []
    start = threading.Barrier(len(works))

    def run(work: Callable[[], Any]) -> None:
        start.wait()
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - told by the thread of the test
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def apply_all() -> None:
    while DeliveryEvent.objects.filter(applied_at=None).exists():
        apply_events()


def test_appliers_and_settling_do_not_disturb_each_other(
    committed_house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(applying, "PAGE_SIZE", 20)
    mailing, batch, sealed = calling(committed_house, 100)
    messages = list(Message.objects.of(mailing))
    now = datetime.now(tz=UTC)
    for type_, at in (
        ("email.delivered", now), ("email.sent", now), ("email.opened", now + timedelta(minutes=1)),
    ):  # fmt: skip
        for message in reversed(messages):
            arrive(committed_house.account, body(type_, message, at=at))
    verdicts = [Verdict(Message.State.SENT, provider_id=f"id-{one}") for one in sealed.message_ids]

    at_once(
        apply_all,
        apply_all,
        apply_all,
        lambda: outcomes.settle(batch, sealed, verdicts, Attempt("accepted")),
    )

    ends = set(Message.objects.of(mailing).values_list("state", "delivery", "reason"))
    assert ends == {("sent", 30, "")}
    assert not Message.objects.of(mailing).filter(opened_at=None).exists()
    assert set(DeliveryEvent.objects.values_list("outcome", flat=True)) == {"applied"}
    assert Batch.objects.get().sent == 100


def test_doubts_are_counted_once_by_appliers_at_once(
    committed_house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(applying, "PAGE_SIZE", 7)
    messages = settled(committed_house, 100, state=Message.State.UNKNOWN, reason="key_expired")
    for type_ in ("email.sent", "email.delivered"):
        for message in messages:
            arrive(committed_house.account, body(type_, message))

    at_once(apply_all, apply_all, apply_all)

    batch = Batch.objects.get()
    assert (batch.state, batch.sent, batch.unknown) == ("settled", 100, 0)
    assert not DeadLetter.objects.open().exists()


def wait_for_waiters(number: int) -> None:
    """Until so many connections wait for a lock."""
    ends_at = time.monotonic() + 30
    while time.monotonic() < ends_at:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            if cursor.fetchone()[0] >= number:
                return
        time.sleep(0.02)
    raise AssertionError(f"Fewer than {number} connections wait for a lock.")


def in_thread(work: Callable[[], Any]) -> threading.Thread:
    def run() -> None:
        try:
            work()
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_person_and_events_do_not_count_a_mail_twice(committed_house: House) -> None:
    messages = settled(committed_house, 60, state=Message.State.UNKNOWN, reason="key_expired")
    for message in messages[::2]:
        arrive(committed_house.account, body("email.sent", message))
    resolved: list[doubts.Resolved] = []

    def resolve() -> None:
        resolved.append(
            doubts.resolve_batch(
                batch_id=Batch.objects.get().pk,
                as_=doubts.Resolution.NOT_SENT,
                by="op",
                note="looked it up",
            )
        )

    with transaction.atomic():
        applying.apply_page()
        person = in_thread(resolve)
        wait_for_waiters(1)
    person.join()

    assert resolved == [doubts.Resolved(number=30, proven=0)]
    batch = Batch.objects.get()
    assert (batch.state, batch.sent, batch.failed, batch.unknown) == ("settled", 30, 30, 0)
    assert Message.objects.filter(state="sent").count() == 30
    assert Message.objects.filter(state="failed", reason="not_sent").count() == 30


def test_counts_of_several_batches_are_changed_without_a_deadlock(
    committed_house: House,
) -> None:
    calling(committed_house, 150)
    first, second = Batch.objects.order_by("pk").values_list("pk", flat=True)
    for number, batch in enumerate(Batch.objects.all()):
        batch.state, batch.size, batch.unknown = Batch.State.UNKNOWN, 10, 10
        batch.key, batch.key_made_at, batch.digest = f"key-{number}", timezone.now(), b"d" * 32
        batch.save()
    errors: list[Exception] = []

    def change(*batch_ids: int) -> None:
        moves = [doubts.Move(batch_id, sent=1, unknown=-1) for batch_id in batch_ids]
        try:
            doubts.recount(moves, note="x")
        except OperationalError as error:
            errors.append(error)

    with transaction.atomic():
        list(Batch.objects.select_for_update().filter(pk=first))
        one = in_thread(lambda: change(first, second))
        wait_for_waiters(1)
        other = in_thread(lambda: change(second, first))
        wait_for_waiters(2)
    one.join()
    other.join()

    assert errors == []
    counts = Batch.objects.filter(pk__in=[first, second]).values_list("sent", "unknown")
    assert list(counts) == [(2, 8), (2, 8)]


def test_two_people_resolve_a_batch_once(committed_house: House) -> None:
    settled(committed_house, 10, state=Message.State.UNKNOWN, reason="key_expired")
    refused: list[StateError] = []

    def resolve() -> None:
        try:
            doubts.resolve_batch(
                batch_id=Batch.objects.get().pk,
                as_=doubts.Resolution.SENT,
                by="op",
                note="looked it up",
            )
        except StateError as error:
            refused.append(error)

    at_once(resolve, resolve)

    assert len(refused) == 1
    assert (Batch.objects.get().sent, Batch.objects.get().unknown) == (10, 0)


def test_event_whose_message_is_held_waits_and_does_not_hold_up_others(
    committed_house: House,
) -> None:
    held, free = settled(committed_house, 2)
    tell(committed_house, "email.delivered", held)
    tell(committed_house, "email.delivered", free)
    locked, let_go = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic():
            list(Message.objects.select_for_update().filter(month=held.month, pk=held.pk))
            locked.set()
            let_go.wait(timeout=30)
        connection.close()

    holder = threading.Thread(target=hold)
    holder.start()
    locked.wait(timeout=30)

    first_round = apply_events()
    let_go.set()
    holder.join()
    second_round = apply_events()

    assert (first_round, second_round) == (1, 1)
    assert (fresh(held).delivery, fresh(free).delivery) == (30, 30)


def test_page_of_which_all_is_held_ends_the_turn(
    committed_house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the applier would turn round and round until the other lets go."""
    monkeypatch.setattr(applying, "PAGE_SIZE", 1)
    [message] = settled(committed_house)
    tell(committed_house, "email.delivered", message)

    pages: list[applying.Page] = []
    apply_page = applying.apply_page

    def apply_and_keep() -> applying.Page:
        pages.append(apply_page())
        return pages[-1]

    monkeypatch.setattr(applying, "apply_page", apply_and_keep)
    with transaction.atomic():
        list(Message.objects.select_for_update().filter(month=message.month, pk=message.pk))
        at_once(apply_events)

    assert pages == [applying.Page(taken=1, finished=0)]
