"""Mails in doubt: settled by a person, or by events that had come already."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.mail import doubts, outcomes, regrouping
from apps.mail.doubts import NoSuchBatchError, Resolution, Resolved
from apps.mail.errors import StateError
from apps.mail.events.applying import apply_events
from apps.mail.models import Batch, BatchAttempt, Message
from apps.mail.outcomes import Attempt, Verdict
from apps.queues.models import DeadLetter
from tests.integration.mail.events.test_applying import calling, fresh, settled, tell

if TYPE_CHECKING:
    from tests.integration.mail.conftest import House


def in_doubt(house: House, number: int = 3) -> list[Message]:
    return settled(house, number, state=Message.State.UNKNOWN, reason="key_expired")


def resolve(as_: Resolution, message_ids: list[int] | None = None) -> Resolved:
    return doubts.resolve_batch(
        batch_id=Batch.objects.get().pk,
        as_=as_,
        by="op",
        note="looked it up",
        message_ids=message_ids,
    )


def counts() -> tuple[str, int, int, int]:
    batch = Batch.objects.get()
    return batch.state, batch.sent, batch.failed, batch.unknown


def test_mails_found_at_the_provider_are_sent(house: House) -> None:
    messages = in_doubt(house)

    assert resolve(Resolution.SENT) == Resolved(3, 0)

    assert counts() == ("settled", 3, 0, 0)
    found = fresh(messages[0])
    assert (found.state, found.reason, found.delivery) == ("sent", "", Message.Delivery.ACCEPTED)


def test_mails_not_found_there_are_failed_and_can_be_retried(house: House) -> None:
    messages = in_doubt(house)

    assert resolve(Resolution.NOT_SENT) == Resolved(3, 0)

    assert counts() == ("settled", 0, 3, 0)
    assert {fresh(one).reason for one in messages} == {"not_sent"}
    assert regrouping.retry_failed(mailing_id=messages[0].mailing_id, reasons=["not_sent"]) == 3


def test_resolution_is_kept_with_the_attempts(house: House) -> None:
    in_doubt(house)

    resolve(Resolution.NOT_SENT)

    kept = BatchAttempt.objects.latest("pk")
    assert (kept.outcome, kept.error) == ("resolved_not_sent", "3 by op: looked it up")


def test_dead_letter_is_closed_with_the_last_doubt(house: House) -> None:
    first, second, third = in_doubt(house)

    resolve(Resolution.SENT, [first.pk, second.pk])
    assert counts() == ("unknown", 2, 0, 1)
    assert DeadLetter.objects.open().exists()
    resolve(Resolution.NOT_SENT, [third.pk])

    assert counts() == ("settled", 2, 1, 0)
    letter = DeadLetter.objects.get()
    assert (letter.state, letter.note) == ("discarded", "Resolved as not_sent by op: looked it up")


def test_batch_without_doubt_is_refused(house: House) -> None:
    settled(house)

    with pytest.raises(StateError, match="Nothing in batch"):
        resolve(Resolution.NOT_SENT)

    assert counts() == ("settled", 1, 0, 0)


def test_resolving_twice_is_refused(house: House) -> None:
    in_doubt(house)
    resolve(Resolution.SENT)

    with pytest.raises(StateError):
        resolve(Resolution.NOT_SENT)

    assert counts() == ("settled", 3, 0, 0)


def test_message_that_is_not_in_doubt_is_named_and_nothing_changed(house: House) -> None:
    messages = in_doubt(house)

    with pytest.raises(StateError, match="message 999999"):
        resolve(Resolution.SENT, [messages[0].pk, 999_999])

    assert counts() == ("unknown", 0, 0, 3)


def test_no_message_named_is_refused(house: House) -> None:
    in_doubt(house)

    with pytest.raises(StateError):
        resolve(Resolution.SENT, [])


def test_unknown_batch_is_refused(db: None) -> None:
    with pytest.raises(NoSuchBatchError):
        doubts.resolve_batch(batch_id=1, as_=Resolution.SENT, by="op", note="x")


def test_statements_do_not_grow_with_the_mails(house: House) -> None:
    messages = in_doubt(house, 60)

    with CaptureQueriesContext(connection) as few:
        resolve(Resolution.SENT, [messages[0].pk])
    with CaptureQueriesContext(connection) as many:
        resolve(Resolution.SENT, [one.pk for one in messages[1:-1]])

    assert len(few) == len(many)


# --- What events had proved -------------------------------------------------------------------


def given_up_after_an_event(house: House) -> tuple[Message, Message]:
    """Of two mails the first one's event came while the call was still in doubt."""
    mailing, batch, sealed = calling(house, 2)
    first, second = Message.objects.of(mailing).order_by("pk")
    tell(house, "email.delivered", first)
    apply_events()
    verdict = Verdict(Message.State.UNKNOWN, "key_expired")
    outcomes.settle_all(batch, sealed, verdict, Attempt("Ambiguous"), letter=True)
    return first, second


def test_mail_whose_event_came_before_the_doubt_is_proven(house: House) -> None:
    first, second = given_up_after_an_event(house)

    doubts.settle_proven(batch_id=Batch.objects.get().pk)

    assert (fresh(first).state, fresh(second).state) == ("sent", "unknown")
    assert fresh(first).delivery == Message.Delivery.DELIVERED
    assert counts() == ("unknown", 1, 0, 1)
    assert DeadLetter.objects.open().exists()


def test_proven_mail_is_sent_whatever_a_person_says(house: House) -> None:
    first, second = given_up_after_an_event(house)

    assert resolve(Resolution.NOT_SENT) == Resolved(1, 1)

    assert (fresh(first).state, fresh(second).state) == ("sent", "failed")
    assert counts() == ("settled", 1, 1, 0)


def test_person_who_names_a_proven_mail_only_is_told_that_it_was_sent(house: House) -> None:
    first, second = given_up_after_an_event(house)

    assert resolve(Resolution.NOT_SENT, [first.pk]) == Resolved(0, 1)

    assert (fresh(first).state, fresh(second).state) == ("sent", "unknown")


def test_event_after_a_wrong_word_takes_the_mail_out_of_the_retry(house: House) -> None:
    messages = in_doubt(house, 2)
    resolve(Resolution.NOT_SENT)
    tell(house, "email.delivered", messages[0])

    apply_events()

    assert counts() == ("settled", 1, 1, 0)
    assert regrouping.retry_failed(mailing_id=messages[0].mailing_id) == 1
