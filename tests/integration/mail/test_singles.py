"""Single mails: gathered into batches, ahead of bulk, idempotent, and paused with their stream."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.db import connection

from apps.contacts.eligibility import MailClass
from apps.contacts.models import Contact
from apps.mail import mailings, sending, singles
from apps.mail.claiming import gather_singles
from apps.mail.errors import DuplicateKeyError, StateError
from apps.mail.models import Batch, Mailing, Message, Template
from apps.mail.resend import QuotaExceeded
from tests.integration.mail.test_sending import (
    FakeClient,
    breaker,
    failure,
    limiter,
    provider,
    states,
)

if TYPE_CHECKING:
    from pytest_django import Settings

    from tests.integration.mail.conftest import House

__all__ = ["breaker", "limiter", "provider"]


@pytest.fixture(autouse=True)
def _gather_at_once(settings: Settings) -> None:
    settings.SINGLE_GATHER_MS = 0


def stream(house: House, slug: str = "receipt", mail_class: str = "transactional") -> Mailing:
    template, _ = Template.objects.get_or_create(
        brand=house.brand,
        slug=slug,
        defaults={"subject": "Order {{ variables.order }}", "html": "<p>Thank you</p>"},
    )
    return singles.open_stream(
        template=template, sender=house.sender, mail_class=MailClass(mail_class)
    )


def order(house: House, of: Mailing, number: int, *, key: str | None = None) -> Message:
    contact = Contact.objects.get(address=f"p{number}@people.test")
    return singles.send_single(
        stream=of,
        contact=contact,
        idempotency_key=key or f"order-{number}",
        variables={"order": number},
    )


def send(house: House) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE mail_message SET due_at = statement_timestamp() - interval '1 second'"
            " WHERE due_at IS NOT NULL"
        )
    sending.send_singles(account_id=house.account.pk, turn_seconds=5)


def test_mails_that_come_close_together_share_a_call(house: House, provider: FakeClient) -> None:
    house.add_people(30)
    receipts = stream(house)
    welcomes = stream(house, "welcome", "confirmation")
    for number in range(1, 21):
        order(house, receipts, number)
    for number in range(21, 31):
        order(house, welcomes, number)

    send(house)

    assert len(provider.calls) == 1
    assert states(receipts) == {"sent": 20}
    assert states(welcomes) == {"sent": 10}


def test_each_mail_is_rendered_from_its_own_variables(house: House, provider: FakeClient) -> None:
    house.add_people(2)
    order(house, stream(house), 1)
    order(house, stream(house), 2)

    send(house)

    assert b"Order 1" in provider.bodies[0]
    assert b"Order 2" in provider.bodies[0]


def test_same_key_sends_once(house: House, provider: FakeClient) -> None:
    house.add_people(1)
    receipts = stream(house)
    first = order(house, receipts, 1, key="k")

    assert order(house, receipts, 1, key="k").pk == first.pk
    send(house)
    order(house, receipts, 1, key="k")
    send(house)

    assert len(provider.calls) == 1


def test_key_of_another_recipient_is_refused(house: House) -> None:
    house.add_people(2)
    receipts = stream(house)
    order(house, receipts, 1, key="k")

    with pytest.raises(DuplicateKeyError):
        order(house, receipts, 2, key="k")


def test_who_left_still_gets_receipts_but_no_commercial_single(
    house: House, provider: FakeClient
) -> None:
    house.add_people(1, status="unsubscribed")
    receipts, offers = stream(house), stream(house, "offer", "commercial")
    order(house, receipts, 1)
    order(house, offers, 1)

    send(house)

    assert states(receipts) == {"sent": 1}
    assert states(offers) == {"skipped": 1}
    assert Message.objects.of(offers).get().reason == "unsubscribed"


def test_paused_stream_waits_and_the_others_do_not(house: House, provider: FakeClient) -> None:
    house.add_people(2)
    receipts, welcomes = stream(house), stream(house, "welcome", "confirmation")
    order(house, receipts, 1)
    order(house, welcomes, 2)
    mailings.pause(mailing_id=receipts.pk, reason="wrong prices")

    send(house)

    assert states(receipts) == {"pending": 1}
    assert states(welcomes) == {"sent": 1}

    mailings.resume(mailing_id=receipts.pk)
    send(house)

    assert states(receipts) == {"sent": 1}


def test_spent_quota_pauses_the_streams_and_lets_their_mails_wait(
    house: House, provider: FakeClient
) -> None:
    house.add_people(1)
    receipts = stream(house)
    order(house, receipts, 1)
    provider.answers = [failure(QuotaExceeded, "daily_quota_exceeded", status=429)]

    send(house)

    receipts.refresh_from_db()
    assert receipts.state == "paused"
    assert len(provider.calls) == 1
    assert Message.objects.of(receipts).get().batch_id is None

    mailings.resume(mailing_id=receipts.pk)
    send(house)

    assert states(receipts) == {"sent": 1}


def test_stream_paused_between_gathering_and_sealing_is_felt(
    house: House, provider: FakeClient
) -> None:
    house.add_people(1)
    receipts = stream(house)
    order(house, receipts, 1)
    gather_singles(account_id=house.account.pk, correlation="x")
    mailings.pause(mailing_id=receipts.pk, reason="wrong prices")

    send(house)

    assert provider.calls == []
    assert states(receipts) == {"pending": 1}
    assert Batch.objects.get().state == "split"


def test_single_mails_are_not_worked_off_by_the_bulk_queue(
    house: House, provider: FakeClient
) -> None:
    house.add_people(1)
    order(house, stream(house), 1)
    gather_singles(account_id=house.account.pk, correlation="x")

    sending.send_batches(account_id=house.account.pk)

    assert provider.calls == []


def test_changed_template_reaches_the_stream(house: House) -> None:
    first = stream(house)
    Template.objects.update(subject="New subject")

    second = stream(house)

    assert second.pk == first.pk
    assert second.content.subject == "New subject"


def test_stream_cannot_be_cancelled(house: House) -> None:
    with pytest.raises(StateError):
        mailings.cancel(mailing_id=stream(house).pk, reason="x")
