"""What the rooms below wrote becomes events: each once, none forgotten, only where wanted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.campaigns.models import Campaign
from apps.contacts import subscribing
from apps.contacts.erasing import erase_person
from apps.contacts.models import ConsentSource, Contact, SuppressionOrigin
from apps.mail import mailings, planning, regrouping
from apps.mail.events import applying, machines
from apps.mail.models import Batch, Message
from apps.mail.planning import Selection
from apps.mail.reports.models import MachineRule
from apps.station.outgoing import changes, collecting, endpoints, sources
from apps.station.outgoing.event_types import EventType
from apps.station.outgoing.models import (
    LedgerChange,
    WebhookCursor,
    WebhookDelivery,
    WebhookEvent,
)
from tests.factories.brands import BrandFactory
from tests.factories.campaigns import CampaignFactory
from tests.integration.mail.events.deliveries import arrive, body
from tests.integration.outgoing.conftest import add_endpoint
from tests.integration.outgoing.rows import events, told_types

if TYPE_CHECKING:
    from apps.mail.models import Mailing
    from tests.integration.mail.conftest import House

URL = "https://hooks.example/in"


def campaign_of(house: House, mailing: Mailing) -> Campaign:
    """A campaign that was launched as this mailing."""
    campaign = CampaignFactory.create(sender=house.sender, brand=house.brand, slug="autumn")
    Campaign.objects.filter(pk=campaign.pk).update(
        mailing=mailing,
        launched_at=datetime.now(tz=UTC),
        launched_by="anna",
        frozen_references={},
    )
    return campaign


def settle(mailing: Mailing, *, state: str = "sent", reason: str = "") -> None:
    """As a worker does: the messages and the counts of their batches at once."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE mail_message SET state = %s, reason = %s, settled_at = statement_timestamp(),"
            " provider_id = 'p-' || id WHERE mailing_id = %s AND state = 'pending'",
            [state, reason, mailing.pk],
        )
        cursor.execute(
            f"UPDATE mail_batch SET state = CASE %s WHEN 'unknown' THEN 'unknown' ELSE 'settled'"
            f" END, {state} = {state} + size - sent - failed - skipped - unknown,"
            " settled_at = statement_timestamp(), key = 'k-' || id,"
            " key_made_at = statement_timestamp(), digest = '\\x00'"
            " WHERE mailing_id = %s AND state = 'planned'",
            [state, mailing.pk],
        )


def data_of(type_: str) -> list[dict[str, Any]]:
    return list(
        WebhookEvent.objects.filter(type=type_).order_by("pk").values_list("data", flat=True)
    )


def test_campaigns_whole_life_is_told_in_its_order(house: House) -> None:
    endpoint = add_endpoint(house, URL, *(one for one in EventType.values if "campaign" in one))
    mailing = house.planned(3)
    campaign = campaign_of(house, mailing)
    mailings.pause(mailing_id=mailing.pk, reason="anna: a typo")
    mailings.resume(mailing_id=mailing.pk)
    settle(mailing)
    mailings.close_finished()

    collecting.collect()

    assert [type_ for type_, _ in events()] == [
        "campaign.launched",
        "campaign.paused",
        "campaign.resumed",
        "campaign.completed",
    ]
    [paused] = data_of("campaign.paused")
    assert paused["campaign_id"] == campaign.pk
    assert paused["mailing_id"] == mailing.pk
    assert paused["slug"] == "autumn"
    assert (paused["previous_state"], paused["state"]) == ("running", "paused")
    assert paused["reason"] == "anna: a typo"
    [completed] = data_of("campaign.completed")
    assert completed["counts"] == {"sent": 3, "failed": 0, "unknown": 0}
    assert WebhookDelivery.objects.filter(endpoint=endpoint).count() == 4


def test_cancelled_and_retried_campaigns_are_told(house: House) -> None:
    endpoint = add_endpoint(house, URL, "campaign.resumed", "campaign.cancelled")
    retried = house.planned(2)
    campaign_of(house, retried)
    settle(retried, state="failed", reason="refused")
    mailings.close_finished()
    regrouping.retry_failed(mailing_id=retried.pk)
    mailings.cancel(mailing_id=retried.pk, reason="enough")

    collecting.collect()

    assert told_types(endpoint) == ["campaign.cancelled", "campaign.resumed"]


def test_missed_campaign_is_told_with_its_reason(house: House) -> None:
    add_endpoint(house, URL, "campaign.missed")
    campaign = CampaignFactory.create(sender=house.sender, brand=house.brand)
    now = datetime.now(tz=UTC)
    Campaign.objects.filter(pk=campaign.pk).update(
        scheduled_at=now, scheduled_by="anna", scheduled_as="f", latest_start=now
    )
    Campaign.objects.filter(pk=campaign.pk).update(missed_at=now, missed_reason="an outage")

    collecting.collect()

    [missed] = data_of("campaign.missed")
    assert (missed["campaign_id"], missed["state"], missed["reason"]) == (
        campaign.pk,
        "missed",
        "an outage",
    )


def test_mailing_that_is_no_campaign_has_no_campaign_events(house: House) -> None:
    add_endpoint(house, URL)
    mailings.pause(mailing_id=house.mailing().pk, reason="a digest")

    collecting.collect()

    assert events() == []


def test_sent_messages_are_told_with_what_a_receiver_needs(house: House) -> None:
    add_endpoint(house, URL, "message.sent")
    mailing = house.planned(150)
    campaign = campaign_of(house, mailing)
    settle(mailing)

    collecting.collect()

    told = data_of("message.sent")
    assert len(told) == 150
    message = Message.objects.get(pk=told[0]["message_id"])
    assert told[0] == {
        "message_id": message.pk,
        "mailing_id": mailing.pk,
        "campaign_id": campaign.pk,
        "contact_id": message.contact_id,
        "email": message.address,
        "state": "sent",
        "provider_id": f"p-{message.pk}",
    }


def test_failed_message_is_told_and_told_again_when_its_retry_fails_too(house: House) -> None:
    endpoint = add_endpoint(house, URL, "message.failed", "message.sent")
    mailing = house.planned(1)
    settle(mailing, state="failed", reason="refused")
    collecting.collect()
    regrouping.retry_failed(mailing_id=mailing.pk)
    collecting.collect()
    settle(mailing, state="failed", reason="refused")
    collecting.collect()
    regrouping.retry_failed(mailing_id=mailing.pk)
    settle(mailing)

    collecting.collect()

    assert told_types(endpoint) == ["message.failed", "message.failed", "message.sent"]
    assert data_of("message.failed")[0]["reason"] == "refused"


def test_message_in_doubt_that_an_event_proves_is_told_as_sent_and_the_others_not_again(
    house: House,
) -> None:
    endpoint = add_endpoint(house, URL, "message.sent", "message.unknown")
    mailing = house.planned(2)
    settle(mailing, state="unknown", reason="key_expired")
    collecting.collect()
    proven = Message.objects.order_by("pk")[0]
    arrive(house.account, body("email.delivered", proven))
    applying.apply_events()

    collecting.collect()

    assert told_types(endpoint) == ["message.sent", "message.unknown", "message.unknown"]
    assert [told["message_id"] for told in data_of("message.sent")] == [proven.pk]


def test_people_skipped_while_planning_and_by_a_cancellation_are_told_once(house: House) -> None:
    add_endpoint(house, URL, "message.skipped")
    house.suppress(2)
    mailing = house.planned(3)
    collecting.collect()
    mailings.cancel(mailing_id=mailing.pk, reason="enough")
    mailings.settle_cancelled()

    collecting.collect()
    collecting.collect()

    told = {one["email"]: one["reason"] for one in data_of("message.skipped")}
    assert told == {
        "p1@people.test": "cancelled",
        "p2@people.test": "hard_bounce",
        "p3@people.test": "cancelled",
    }
    assert len(events()) == 3


@pytest.mark.parametrize(
    ("provider_type", "data", "type_", "extra"),
    [
        ("email.delivered", {}, "message.delivered", {}),
        ("email.complained", {}, "message.complained", {}),
        ("email.opened", {}, "message.opened", {"machine": ""}),
        (
            "email.bounced",
            {"bounce": {"type": "Permanent", "subType": "General", "message": "no such user"}},
            "message.bounced",
            {"bounce": {"type": "Permanent", "subtype": "General"}},
        ),
        (
            "email.clicked",
            {"click": {"link": "https://shop.example/a?of=p1@people.test", "ipAddress": "1.2.3.4"}},
            "message.clicked",
            {"link": "https://shop.example/a?of=…", "machine": ""},
        ),
    ],
)
def test_event_of_the_provider_is_told_with_its_message(
    house: House, provider_type: str, data: dict[str, Any], type_: str, extra: dict[str, Any]
) -> None:
    add_endpoint(house, URL)
    message = Message.objects.get(mailing=house.planned(1))
    at = datetime(2026, 11, 3, 4, 5, 6, tzinfo=UTC)
    arrive(house.account, body(provider_type, message, at=at, **data))

    collecting.collect()

    event = WebhookEvent.objects.get(type=type_)
    assert event.occurred_at == at
    assert event.data["message_id"] == message.pk
    assert event.data["email"] == message.address
    assert {name: event.data.get(name) for name in extra} == extra


def test_click_of_a_known_machine_is_told_with_its_name(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_endpoint(house, URL)
    MachineRule.objects.create(name="Scanner", kind=MachineRule.Kind.AGENT_HAS, pattern="scanbot")
    monkeypatch.setattr(machines, "_kept", None)
    message = Message.objects.get(mailing=house.planned(1))
    click = {"link": "https://shop.example/", "userAgent": "ScanBot/1"}
    arrive(house.account, body("email.clicked", message, click=click))

    collecting.collect()

    assert [one["machine"] for one in data_of("message.clicked")] == ["Scanner"]


@pytest.mark.parametrize(("seconds", "machine"), [(0.5, "haste"), (60, "")])
def test_open_right_behind_the_delivery_is_told_as_a_machines(
    house: House, seconds: float, machine: str
) -> None:
    add_endpoint(house, URL)
    message = Message.objects.get(mailing=house.planned(1))
    at = datetime(2026, 11, 3, 4, 5, 6, tzinfo=UTC)
    Message.objects.filter(pk=message.pk).update(delivered_at=at)
    arrive(house.account, body("email.opened", message, at=at + timedelta(seconds=seconds)))

    collecting.collect()

    assert [one["machine"] for one in data_of("message.opened")] == [machine]


def test_clicked_link_of_the_station_is_not_told_for_it_holds_a_token(
    house: House, settings: Any
) -> None:
    add_endpoint(house, URL, "message.clicked")
    message = Message.objects.get(mailing=house.planned(1))
    link = f"{settings.PUBLIC_BASE_URL}/u/secret-token"
    arrive(house.account, body("email.clicked", message, click={"link": link}))

    collecting.collect()

    [told] = data_of("message.clicked")
    assert "link" not in told


def test_event_that_names_another_accounts_mail_is_not_told(house: House) -> None:
    add_endpoint(house, URL)
    message = Message.objects.get(mailing=house.planned(1))
    stranger = type(house.account).objects.create(name="stranger", api_key="re_x", rate_limit=1)
    arrive(stranger, body("email.delivered", message))

    collecting.collect()

    assert events() == []


def test_unsubscription_is_told_and_leaving_a_topic_is_not(house: House) -> None:
    add_endpoint(house, URL)
    house.add_people(1)
    contact = Contact.objects.get()
    evidence = subscribing.Evidence(
        source=ConsentSource.ONE_CLICK, occurred_at=datetime.now(tz=UTC), detail="mailing 7"
    )
    subscribing.unsubscribe(contact_id=contact.pk, evidence=evidence)
    subscribing.unsubscribe(contact_id=contact.pk, evidence=evidence)

    collecting.collect()

    event = WebhookEvent.objects.get()
    assert event.type == "contact.unsubscribed"
    assert event.contact_id == contact.pk
    assert event.data == {
        "contact_id": contact.pk,
        "email": "p1@people.test",
        "source": "one_click",
        "detail": "mailing 7",
    }


def test_erased_person_is_forgotten_in_what_was_recorded_and_what_is_yet_to_be_sent(
    house: House,
) -> None:
    add_endpoint(house, URL, "message.sent")
    settle(house.planned(2))
    collecting.collect()
    erased = Contact.objects.get(address="p1@people.test")
    erase_person(contact_id=erased.pk, origin=SuppressionOrigin.OPERATOR, now=datetime.now(tz=UTC))

    collecting.collect()

    told = {one["contact_id"]: one.get("email") for one in data_of("message.sent")}
    assert told.pop(erased.pk) is None
    assert list(told.values()) == ["p2@people.test"]


def test_what_happens_after_an_erasure_is_told_without_the_address(house: House) -> None:
    add_endpoint(house, URL, "message.delivered")
    message = Message.objects.get(mailing=house.planned(1))
    erase_person(
        contact_id=message.contact_id or 0,
        origin=SuppressionOrigin.OPERATOR,
        now=datetime.now(tz=UTC),
    )
    arrive(house.account, body("email.delivered", message))

    collecting.collect()

    [told] = data_of("message.delivered")
    assert told["message_id"] == message.pk
    assert "p1@people.test" not in str(told)


def test_events_go_to_each_enabled_endpoint_of_the_brand_that_wants_them(house: House) -> None:
    wanting = add_endpoint(house, URL, "message.sent")
    too = add_endpoint(house, URL, "message.sent", "message.failed")
    other = add_endpoint(house, URL, "message.failed")
    disabled = add_endpoint(house, URL, "message.sent")
    endpoints.disable(endpoint_id=disabled.pk, actor="anna")
    stranger = endpoints.add(
        brand_id=BrandFactory.create().pk, url=URL, event_types=["message.sent"], actor="a test"
    )
    settle(house.planned(2))

    collecting.collect()

    told = {
        one.pk: WebhookDelivery.objects.filter(endpoint=one).count()
        for one in (wanting, too, other, disabled, stranger)
    }
    assert told == {wanting.pk: 2, too.pk: 2, other.pk: 0, disabled.pk: 0, stranger.pk: 0}
    assert len(events()) == 2


def test_nothing_is_recorded_where_nobody_wants_it_and_nothing_piles_up(house: House) -> None:
    message = Message.objects.get(mailing=house.planned(1))
    settle(message.mailing)
    arrive(house.account, body("email.delivered", message))

    collecting.collect()
    endpoint = add_endpoint(house, URL)
    collecting.collect()

    assert events() == []
    assert not LedgerChange.objects.exists()
    assert list(collecting.due_collection()) == []
    assert told_types(endpoint) == []


def test_collecting_again_makes_no_event_twice(house: House) -> None:
    add_endpoint(house, URL)
    message = Message.objects.get(mailing=house.planned(1))
    settle(message.mailing)
    arrive(house.account, body("email.delivered", message))
    collecting.collect()
    recorded = events()

    collecting.collect()
    WebhookCursor.objects.update(position=0)  # as if an old backup of the cursors came back
    Batch.objects.update(sent=0, size=0)
    Batch.objects.update(sent=1, size=1)
    collecting.collect()

    assert recorded == events()
    assert len(recorded) == 2


def test_what_was_told_last_month_is_not_told_again_when_its_batch_changes(house: House) -> None:
    endpoint = add_endpoint(house, URL, "message.sent", "message.unknown")
    mailing = house.planned(2)
    settle(mailing, state="unknown", reason="key_expired")
    collecting.collect()
    with connection.cursor() as cursor:
        for table in ("station_webhookevent", "station_webhookdelivery"):
            cursor.execute(f"UPDATE {table} SET month = month - interval '1 month'")
    arrive(house.account, body("email.delivered", Message.objects.order_by("pk")[0]))
    applying.apply_events()

    collecting.collect()

    assert told_types(endpoint) == ["message.sent", "message.unknown", "message.unknown"]


def test_sources_are_read_to_their_ends_in_pages(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "EVENT_PAGE", 3)
    monkeypatch.setattr(sources, "CONSENT_PAGE", 2)
    monkeypatch.setattr(planning, "PAGE_SIZE", 4)
    endpoint = add_endpoint(house, URL)
    house.suppress(*range(1, 8))
    mailing = house.planned(10)
    for message in Message.objects.filter(state="pending"):
        for type_ in ("email.delivered", "email.opened", "email.sent"):
            arrive(house.account, body(type_, message))
    for contact in Contact.objects.all()[:5]:
        subscribing.unsubscribe(
            contact_id=contact.pk,
            evidence=subscribing.Evidence(ConsentSource.FORM, datetime.now(tz=UTC)),
        )
    settle(mailing)

    collecting.collect()

    assert told_types(endpoint) == [
        *["contact.unsubscribed"] * 5,
        *["message.delivered"] * 3,
        *["message.opened"] * 3,
        *["message.sent"] * 3,
        *["message.skipped"] * 7,
    ]


def test_collector_killed_inside_a_page_leaves_nothing_half_done(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint = add_endpoint(house, URL)
    message = Message.objects.get(mailing=house.planned(1))
    settle(message.mailing)
    arrive(house.account, body("email.delivered", message))

    def recorded_and_then_killed(*args: Any) -> int:
        real(*args)
        raise KeyboardInterrupt

    for module in (changes, sources):
        real = module.record
        with monkeypatch.context() as patched:
            patched.setattr(module, "record", recorded_and_then_killed)
            with pytest.raises(KeyboardInterrupt):
                collecting.collect()
        assert len(events()) == (0 if module is changes else 1)

    collecting.collect()

    assert told_types(endpoint) == ["message.delivered", "message.sent"]


def test_sweeper_hears_of_a_note_and_of_a_new_row(house: House) -> None:
    add_endpoint(house, URL)
    collecting.collect()
    quiet = list(collecting.due_collection())
    house.mailing()
    noted = list(collecting.due_collection())
    collecting.collect()
    arrive(house.account, body("email.delivered"))

    assert quiet == []
    assert len(noted) == 1
    assert len(list(collecting.due_collection())) == 1


def test_number_of_statements_does_not_grow_with_what_is_collected(house: House) -> None:
    add_endpoint(house, URL)
    counts = []
    for number in (2, 60):
        house.add_people(number, start=number)
        mailing = house.mailing()
        planning.plan_page(mailing_id=mailing.pk, selection=Selection())
        for message in Message.objects.filter(mailing=mailing):
            arrive(house.account, body("email.delivered", message))
        settle(mailing)
        with CaptureQueriesContext(connection) as captured:
            collecting.collect()
        counts.append(len(captured))

    assert counts[0] == counts[1]
