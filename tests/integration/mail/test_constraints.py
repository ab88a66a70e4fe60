"""What the database itself refuses, each tried both ways."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from apps.mail.models import Batch, Content, DeliveryEvent, Mailing, Message

if TYPE_CHECKING:
    from tests.integration.mail.conftest import House


@pytest.fixture
def mailing(house: House) -> Mailing:
    return house.mailing()


def make_message(mailing: Mailing, **changes: Any) -> Message:
    fields: dict[str, Any] = {
        "month": mailing.month,
        "mailing": mailing,
        "contact_id": 1,
        "address": "a@people.test",
        **changes,
    }
    return Message.objects.create(**fields)


def make_batch(mailing: Mailing, **changes: Any) -> Batch:
    fields: dict[str, Any] = {
        "account_id": mailing.account_id, "mailing": mailing, "month": mailing.month, "size": 1,
        **changes,
    }  # fmt: skip
    return Batch.objects.create(**fields)


def refused() -> Any:
    return pytest.raises(IntegrityError)


def test_contact_gets_a_mailing_once(mailing: Mailing) -> None:
    make_message(mailing)
    make_message(mailing, contact_id=2)

    with refused(), transaction.atomic():
        make_message(mailing)


def test_single_mail_goes_out_once_per_key(mailing: Mailing) -> None:
    make_message(mailing, idempotency_key="order-1")
    make_message(mailing, idempotency_key="order-2")

    with refused(), transaction.atomic():
        make_message(mailing, idempotency_key="order-1", contact_id=2)


@pytest.mark.parametrize(
    "wrong",
    [
        {"state": "sent", "settled_at": None},
        {"state": "pending", "settled_at": timezone.now()},
        {"state": "skipped", "settled_at": timezone.now(), "reason": ""},
        {"state": "lost", "settled_at": timezone.now(), "reason": "x"},
        {"due_at": timezone.now(), "batch_id": 1},
    ],
)
def test_contradicting_message_is_refused(mailing: Mailing, wrong: dict[str, Any]) -> None:
    with refused(), transaction.atomic():
        make_message(mailing, **wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"size": 101},
        {"state": "calling"},
        {"state": "settled", "size": 3, "failed": 2},
        {"state": "settled", "size": 1, "sent": 1},
    ],
)
def test_contradicting_batch_is_refused(mailing: Mailing, wrong: dict[str, Any]) -> None:
    with refused(), transaction.atomic():
        make_batch(mailing, **wrong)


def test_key_belongs_to_one_batch(mailing: Mailing) -> None:
    sealed = {
        "state": "calling", "key": "k1", "key_made_at": timezone.now(), "digest": b"d" * 32,
    }  # fmt: skip
    make_batch(mailing, **sealed)
    make_batch(mailing)
    make_batch(mailing)

    with refused(), transaction.atomic():
        make_batch(mailing, **sealed)


def test_event_is_stored_once(mailing: Mailing) -> None:
    fields: dict[str, Any] = {
        "month": mailing.month, "account_id": mailing.account_id, "provider_event_id": "msg_1",
        "type": "email.sent", "occurred_at": timezone.now(), "payload": "{}",
    }  # fmt: skip
    DeliveryEvent.objects.create(**fields)

    with refused(), transaction.atomic():
        DeliveryEvent.objects.create(**fields)


def test_stream_is_one_per_month(mailing: Mailing) -> None:
    fields: dict[str, Any] = {
        "kind": "stream", "name": "welcome", "brand_id": mailing.brand_id,
        "sender_id": mailing.sender_id, "account_id": mailing.account_id,
        "content": Content.objects.create(subject="s", html="h"),
        "mail_class": "transactional", "month": mailing.month,
    }  # fmt: skip
    Mailing.objects.create(**fields)

    with refused(), transaction.atomic():
        Mailing.objects.create(**fields)


def test_paused_mailing_says_why(mailing: Mailing) -> None:
    with refused(), transaction.atomic():
        Mailing.objects.filter(pk=mailing.pk).update(state="paused", state_reason="")


def test_settling_is_an_update_in_place(house: House) -> None:
    """No index mentions what settling writes, or every settled message would touch them all."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT indexdef FROM pg_indexes WHERE tablename = 'mail_message'")
        definitions = [row[0] for row in cursor.fetchall()]

    assert definitions
    for column in ("state", "provider_id", "delivery", "settled_at", "reason"):
        assert not any(column in definition for definition in definitions)
