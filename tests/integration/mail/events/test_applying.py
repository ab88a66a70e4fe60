"""What stored events do to the ledger, the counts and the suppressions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext

from apps.brands.models import Brand, ProviderAccount, Sender
from apps.contacts.models import Suppression
from apps.mail import outcomes, planning
from apps.mail.claiming import claim_batch
from apps.mail.events import applying, reading
from apps.mail.events.applying import Page, apply_events, apply_page
from apps.mail.events.reading import Standing
from apps.mail.models import Batch, DeliveryEvent, Message
from apps.mail.outcomes import Attempt, Verdict
from apps.mail.sealing import compose, seal
from apps.queues import dead_letters
from apps.queues.models import DeadLetter
from tests.integration.mail.conftest import House
from tests.integration.mail.events.deliveries import arrive, body

if TYPE_CHECKING:
    from apps.mail.claiming import ClaimedBatch
    from apps.mail.models import Mailing
    from apps.mail.sealing import Sealed

AT = datetime.now(tz=UTC).replace(microsecond=0)
Delivery = Message.Delivery


def calling(house: House, number: int = 1) -> tuple[Mailing, ClaimedBatch, Sealed]:
    """A mailing whose one batch is with the provider."""
    mailing = house.planned(number)
    batch = claim_batch(account_id=house.account.pk)
    assert batch is not None
    sealed = compose(batch)
    assert seal(batch, sealed)
    return mailing, batch, sealed


def settled(
    house: House, number: int = 1, *, state: Message.State = Message.State.SENT, reason: str = ""
) -> list[Message]:
    """The messages of a batch that ended like this; with ids where it was accepted."""
    mailing, batch, sealed = calling(house, number)
    verdicts = [
        Verdict(state, reason, provider_id=f"id-{one}" if state == "sent" else "")
        for one in sealed.message_ids
    ]
    with_letter = state != Message.State.SENT
    if with_letter:
        outcomes.settle_all(batch, sealed, verdicts[0], Attempt("Ambiguous"), letter=True)
    else:
        outcomes.settle(batch, sealed, verdicts, Attempt("accepted"))
    return list(Message.objects.of(mailing).order_by("pk"))


def outcome_of_events() -> list[str]:
    return list(DeliveryEvent.objects.order_by("pk").values_list("outcome", flat=True))


def fresh(message: Message) -> Message:
    return Message.objects.get(month=message.month, pk=message.pk)


def tell(house: House, type_: str, message: Message, **fields: Any) -> None:
    arrive(house.account, body(type_, message, **fields))


# --- The lattice ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("type_", "standing"),
    [
        ("email.sent", Delivery.ACCEPTED),
        ("email.scheduled", Delivery.ACCEPTED),
        ("email.delivery_delayed", Delivery.DELAYED),
        ("email.delivered", Delivery.DELIVERED),
        ("email.failed", Standing.UNDELIVERED),
        ("email.suppressed", Standing.UNDELIVERED),
        ("email.bounced", Delivery.BOUNCED),
        ("email.complained", Delivery.COMPLAINED),
    ],
)
def test_event_raises_the_delivery_of_a_sent_message(
    house: House, type_: str, standing: int
) -> None:
    [message] = settled(house)
    tell(house, type_, message, at=AT)

    assert apply_events() == 1

    found = fresh(message)
    assert (found.delivery, found.delivery_at) == (standing, AT)
    assert (found.state, found.provider_id) == ("sent", f"id-{message.pk}")
    assert outcome_of_events() == ["applied"]


def test_late_event_does_not_lower_it(house: House) -> None:
    [message] = settled(house)
    tell(house, "email.bounced", message, at=AT)
    apply_events()
    tell(house, "email.delivered", message, at=AT + timedelta(hours=1))

    apply_events()

    assert (fresh(message).delivery, fresh(message).delivery_at) == (Delivery.BOUNCED, AT)


def test_first_open_and_first_click_are_kept(house: House) -> None:
    [message] = settled(house)
    for type_ in ("email.opened", "email.clicked"):
        for minutes in (5, 1, 9):
            tell(house, type_, message, at=AT + timedelta(minutes=minutes))

    apply_events()

    found = fresh(message)
    assert found.opened_at == found.clicked_at == AT + timedelta(minutes=1)
    assert found.delivery == Delivery.ACCEPTED


def row_version(message: Message) -> str:
    """Changes whenever the row is written."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT ctid::text FROM mail_message WHERE id = %s", [message.pk])
        return str(cursor.fetchone()[0])


def test_event_applied_twice_writes_nothing_the_second_time(house: House) -> None:
    [message] = settled(house)
    before = row_version(message)
    tell(house, "email.delivered", message, at=AT)
    apply_events()
    written = row_version(message)

    tell(house, "email.delivered", message, at=AT)
    apply_events()

    assert before != written == row_version(message)


# --- Whom it concerns -------------------------------------------------------------------------


def other_account(house: House) -> ProviderAccount:
    return ProviderAccount.objects.create(name="other", api_key="re_other")


def test_event_from_another_account_does_not_touch_our_message(house: House) -> None:
    [message] = settled(house)
    arrive(other_account(house), body("email.complained", message))

    apply_events()

    assert fresh(message).delivery == Delivery.ACCEPTED
    assert not Suppression.objects.exists()
    assert outcome_of_events() == ["unmatched"]


def test_message_of_another_mailing_is_not_touched(house: House) -> None:
    [message] = settled(house)
    stranger = house.mailing(name="other")
    tags = {"mailing": str(stranger.pk), "message": str(message.pk)}
    arrive(house.account, body("email.bounced", message, tags=tags))

    apply_events()

    assert fresh(message).delivery == Delivery.ACCEPTED
    assert outcome_of_events() == ["unmatched"]


@pytest.mark.parametrize(
    "tags", [{}, {"mailing": "1"}, {"mailing": "999999", "message": "1"}, {"mailing": "x"}]
)
def test_event_about_nothing_of_ours_is_kept_as_unmatched(
    house: House, tags: dict[str, str]
) -> None:
    arrive(house.account, body("email.bounced", tags=tags, bounce={"type": "Permanent"}))

    apply_events()

    assert outcome_of_events() == ["unmatched"]
    assert not Suppression.objects.exists()


def test_event_that_is_not_about_mail_is_ignored(house: House) -> None:
    arrive(house.account, body("domain.updated"))

    apply_events()

    assert outcome_of_events() == ["ignored"]


def test_second_mail_to_the_same_recipient_is_reported(house: House) -> None:
    [message] = settled(house)
    tell(house, "email.delivered", message, email_id="another-mail")

    apply_events()

    assert outcome_of_events() == ["other_mail"]
    assert fresh(message).provider_id == f"id-{message.pk}"
    assert fresh(message).delivery == Delivery.DELIVERED


# --- Suppressions -----------------------------------------------------------------------------


def bounce(type_: str) -> dict[str, dict[str, str]]:
    return {"bounce": {"type": type_, "subType": "General", "message": "no such user"}}


def test_hard_bounce_suppresses_for_all_brands(house: House) -> None:
    [message] = settled(house)
    tell(house, "email.bounced", message, **bounce("Permanent"))

    apply_events()

    found = Suppression.objects.get()
    assert (found.address, found.brand_id) == (message.address, None)
    assert (found.reason, found.origin) == ("hard_bounce", "provider")


@pytest.mark.parametrize("type_", ["Transient", "Undetermined"])
def test_soft_bounce_does_not_suppress(house: House, type_: str) -> None:
    [message] = settled(house)
    tell(house, "email.bounced", message, **bounce(type_))

    apply_events()

    assert fresh(message).delivery == Delivery.BOUNCED
    assert not Suppression.objects.exists()


def test_complaint_suppresses_for_the_brand_of_the_mailing(house: House) -> None:
    [message] = settled(house)
    brand = Brand.objects.create(slug="other", name="Other")
    sender = Sender.objects.create(
        brand=brand, account=house.account, name="O", email="o@other.test"
    )
    [other] = settled(House(brand, house.account, sender))
    tell(house, "email.complained", message)
    tell(house, "email.complained", other)

    apply_events()

    found = Suppression.objects.order_by("brand_id").values_list("address", "brand_id", "reason")
    assert list(found) == [
        (message.address, house.brand.pk, "complaint"),
        (other.address, brand.pk, "complaint"),
    ]


def test_suppressing_twice_is_no_error(house: House) -> None:
    [message] = settled(house)
    for _ in range(2):
        tell(house, "email.bounced", message, **bounce("Permanent"))
        apply_events()

    assert Suppression.objects.count() == 1


def test_address_that_was_mailed_is_suppressed_even_before_the_batch_settles(
    house: House,
) -> None:
    mailing, _, _ = calling(house)
    message = Message.objects.of(mailing).get()
    tell(house, "email.bounced", message, to=["New <New@Elsewhere.org>"], **bounce("Permanent"))

    apply_events()

    assert Suppression.objects.get().address == "new@elsewhere.org"


@pytest.mark.parametrize("to", [None, [], [7], "nonsense", ["x" * 2000]])
def test_planned_address_is_suppressed_where_the_event_has_none(house: House, to: Any) -> None:
    mailing, _, _ = calling(house)
    message = Message.objects.of(mailing).get()
    tell(house, "email.bounced", message, to=to, **bounce("Permanent"))

    apply_events()

    assert Suppression.objects.get().address == message.address


# --- Events that come before, or after, what they are about -----------------------------------


def test_event_that_overtakes_the_settling_raises_the_delivery_only(house: House) -> None:
    mailing, batch, sealed = calling(house)
    message = Message.objects.of(mailing).get()
    tell(house, "email.delivered", message, at=AT)
    apply_events()

    assert fresh(message).state == "pending"
    outcomes.settle(
        batch,
        sealed,
        [Verdict(Message.State.SENT, provider_id=f"id-{message.pk}")],
        Attempt("accepted"),
    )

    found = fresh(message)
    assert (found.state, found.delivery, found.delivery_at) == ("sent", Delivery.DELIVERED, AT)
    assert Batch.objects.get().sent == 1


@pytest.mark.parametrize("type_", ["email.sent", "email.opened", "email.bounced", "email.failed"])
def test_event_proves_that_an_unknown_message_was_sent(house: House, type_: str) -> None:
    first, second = settled(house, 2, state=Message.State.UNKNOWN, reason="key_expired")
    tell(house, type_, first)

    apply_events()

    found = fresh(first)
    assert (found.state, found.reason, found.provider_id) == ("sent", "", f"id-{first.pk}")
    assert found.delivery >= Delivery.ACCEPTED
    batch = Batch.objects.get()
    assert (batch.state, batch.sent, batch.unknown) == ("unknown", 1, 1)
    assert DeadLetter.objects.open().count() == 1
    assert fresh(second).state == "unknown"


def test_batch_is_settled_and_its_letter_closed_with_the_last_doubt(house: House) -> None:
    for message in settled(house, 3, state=Message.State.UNKNOWN, reason="key_expired"):
        tell(house, "email.sent", message)

    apply_events()

    batch = Batch.objects.get()
    assert (batch.state, batch.sent, batch.unknown) == ("settled", 3, 0)
    assert not DeadLetter.objects.open().exists()


def test_event_corrects_a_message_that_we_took_for_failed(house: House) -> None:
    """Else a retry of the failed ones would send it a second time."""
    first, _ = settled(house, 2, state=Message.State.FAILED, reason="unreachable")
    tell(house, "email.sent", first)

    apply_events()

    assert (fresh(first).state, fresh(first).reason) == ("sent", "")
    batch = Batch.objects.get()
    assert (batch.state, batch.sent, batch.failed) == ("settled", 1, 1)
    assert DeadLetter.objects.open().exists()


def test_letter_of_failures_is_closed_when_all_were_sent_after_all(house: House) -> None:
    for message in settled(house, 2, state=Message.State.FAILED, reason="unreachable"):
        tell(house, "email.sent", message)

    apply_events()

    assert Batch.objects.get().failed == 0
    assert not DeadLetter.objects.open().exists()


def test_skipped_message_stays_skipped(house: House) -> None:
    house.add_people(1)
    house.suppress(1)
    mailing = house.mailing()
    planning.plan_page(mailing_id=mailing.pk, selection=planning.Selection())
    message = Message.objects.of(mailing).get()
    tell(house, "email.delivered", message)

    apply_events()

    assert fresh(message).state == "skipped"


# --- Pages ------------------------------------------------------------------------------------


def statements_for(house: House, messages: list[Message]) -> int:
    for message in messages:
        tell(house, "email.sent", message)
        tell(house, "email.bounced", message, **bounce("Permanent"))
        tell(house, "email.complained", message)
    with CaptureQueriesContext(connection) as captured:
        page = apply_page()
    assert page == Page(3 * len(messages), 3 * len(messages))
    return len(captured)


def test_statements_of_a_page_do_not_grow_with_its_events(house: House) -> None:
    messages = settled(house, 81)

    few, many = statements_for(house, messages[:1]), statements_for(house, messages[1:])

    assert few == many
    # page, targets, raise, bounces, complaints, causes of bounces, finish; four more for the two
    # savepoints
    assert many == 11


def test_statements_of_a_page_that_ends_doubts_do_not_grow_with_its_events(house: House) -> None:
    messages = settled(house, 60, state=Message.State.UNKNOWN, reason="key_expired")

    few, many = statements_for(house, messages[:1]), statements_for(house, messages[1:])

    assert few == 12  # and the counts of the batch
    assert many == 13  # and its letter


def test_all_pages_are_worked_off(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(applying, "PAGE_SIZE", 3)
    for message in settled(house, 8):
        tell(house, "email.delivered", message)

    assert apply_events() == 8
    assert not DeliveryEvent.objects.filter(applied_at=None).exists()


def test_nothing_waiting_costs_one_look(house: House) -> None:
    with CaptureQueriesContext(connection) as captured:
        assert apply_events() == 0

    assert len(captured) == 3  # inside a savepoint of the test's transaction


# --- Poison -----------------------------------------------------------------------------------


def break_for(monkeypatch: pytest.MonkeyPatch, poison: Message, error: Exception) -> None:
    """As if the code had a fault that one message's event brings out."""
    sound = reading.read

    def read(event: Any) -> Any:
        found = sound(event)
        if found is not None and found.message_id == poison.pk:
            raise error
        return found

    monkeypatch.setattr(applying, "read", read)


def test_poisoned_event_does_not_hold_up_the_others(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, poison, last = settled(house, 3)
    for message in (first, poison, last):
        tell(house, "email.delivered", message)
    break_for(monkeypatch, poison, KeyError("p2@people.test"))

    assert apply_events() == 3

    assert outcome_of_events() == ["applied", "error", "applied"]
    assert fresh(poison).delivery == Delivery.ACCEPTED
    letter = DeadLetter.objects.get()
    event = DeliveryEvent.objects.get(outcome="error")
    assert (letter.subject, letter.subject_id) == ("mail.event", event.pk)
    assert (letter.queue, letter.reason) == ("events", "event_not_applied")
    assert letter.error.startswith("KeyError at test_applying.py:")
    assert "people.test" not in f"{letter.error} {letter.payload}"


def test_poisoned_event_leaves_nothing_half_done(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    [message] = settled(house)
    tell(house, "email.bounced", message, **bounce("Permanent"))

    def broken(_: object) -> None:
        raise ValueError

    monkeypatch.setattr(applying, "suppress_reported", broken)
    apply_events()

    assert fresh(message).delivery == Delivery.ACCEPTED
    assert outcome_of_events() == ["error"]


def test_database_error_in_one_event_is_isolated_too(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, poison = settled(house, 2)
    tell(house, "email.delivered", first)
    tell(house, "email.bounced", poison, **bounce("Permanent"))
    Message.objects.filter(month=poison.month, pk=poison.pk).update(address="Not A Look-up Form")

    apply_events()

    assert outcome_of_events() == ["applied", "error"]


def test_redriven_event_is_applied(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    [message] = settled(house)
    tell(house, "email.delivered", message)
    with monkeypatch.context() as fault:
        break_for(fault, message, KeyError("x"))
        apply_events()

    dead_letters.redrive(letter_id=DeadLetter.objects.get().pk, by="op")
    apply_events()

    assert fresh(message).delivery == Delivery.DELIVERED
    assert outcome_of_events() == ["applied"]


def test_database_that_is_away_is_no_events_fault(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    [message] = settled(house)
    tell(house, "email.delivered", message)
    break_for(monkeypatch, message, OperationalError("gone"))

    with pytest.raises(OperationalError):
        apply_events()

    assert outcome_of_events() == [""]
    assert not DeadLetter.objects.exists()


def test_page_that_the_database_refused_is_not_tried_one_by_one(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    [message] = settled(house)
    tell(house, "email.delivered", message)
    tries = [OperationalError("deadlock detected")]

    def raise_messages(_: object) -> None:
        if tries:
            raise tries.pop()

    monkeypatch.setattr(applying, "raise_messages", raise_messages)

    with pytest.raises(OperationalError):
        apply_events()

    assert outcome_of_events() == [""]
