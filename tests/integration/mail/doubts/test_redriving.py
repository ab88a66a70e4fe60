"""What driving the dead letter of a batch again may do, and what it must not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from apps.mail import doubts
from apps.mail.models import Batch, DeliveryEvent, Mailing, Message
from apps.mail.redriving import NotRedrivableError
from apps.queues import dead_letters
from apps.queues.models import DeadLetter
from tests.integration.mail.events.test_applying import fresh, settled

if TYPE_CHECKING:
    from tests.integration.mail.conftest import House


def redrive() -> None:
    dead_letters.redrive(letter_id=DeadLetter.objects.get().pk, by="op")


def test_failed_mails_are_sent_again_in_a_new_batch(house: House) -> None:
    messages = settled(house, 2, state=Message.State.FAILED, reason="unreachable")

    redrive()

    assert {fresh(one).state for one in messages} == {"pending"}
    assert Batch.objects.get(state="planned").size == 2
    assert DeadLetter.objects.get().state == "redriven"


def test_mails_in_doubt_are_never_sent_again_blindly(house: House) -> None:
    [message] = settled(house, state=Message.State.UNKNOWN, reason="key_expired")

    with pytest.raises(NotRedrivableError, match=r"manage\.py unknown resolve"):
        redrive()

    assert fresh(message).state == "unknown"
    assert DeadLetter.objects.get().state == "open"


def test_one_doubt_is_enough_to_refuse_the_whole_batch(house: House) -> None:
    first, second = settled(house, 2, state=Message.State.UNKNOWN, reason="key_expired")
    doubts.resolve_batch(
        batch_id=Batch.objects.get().pk,
        as_=doubts.Resolution.NOT_SENT,
        by="op",
        note="x",
        message_ids=[first.pk],
    )

    with pytest.raises(NotRedrivableError):
        redrive()

    assert (fresh(first).state, fresh(second).state) == ("failed", "unknown")


def test_cancelled_mailing_is_not_sent_again(house: House) -> None:
    [message] = settled(house, state=Message.State.FAILED, reason="unreachable")
    Mailing.objects.filter(pk=message.mailing_id).update(state="cancelled")

    with pytest.raises(NotRedrivableError, match="cancelled"):
        redrive()

    assert DeadLetter.objects.get().state == "open"


def test_letter_whose_mails_were_retried_meanwhile_is_just_closed(house: House) -> None:
    [message] = settled(house, state=Message.State.FAILED, reason="unreachable")
    Batch.objects.update(failed=0, sent=1)
    Message.objects.filter(month=message.month).update(state="sent", reason="")

    redrive()

    assert Batch.objects.count() == 1
    assert DeadLetter.objects.get().state == "redriven"


def test_letter_of_a_batch_that_is_gone_says_so(house: House) -> None:
    settled(house, state=Message.State.FAILED, reason="unreachable")
    Batch.objects.all().delete()

    with pytest.raises(NotRedrivableError, match="gone"):
        redrive()


def test_letter_of_an_event_that_is_gone_says_so(house: House) -> None:
    assert not DeliveryEvent.objects.exists()
    dead_letters.record(
        queue="events",
        task="mail.apply_events",
        reason="x",
        subject="mail.event",
        subject_id=17,
        payload={"month": "2026-11-01"},
    )

    with pytest.raises(NotRedrivableError, match="gone"):
        redrive()
