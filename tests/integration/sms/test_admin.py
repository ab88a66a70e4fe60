"""The operators' pages of texts: who sees what, what may be done, and that each page opens."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import reverse

from apps.brands.models import AuditEntry, Grant, Right
from apps.sms.figures import count_due, note_changed
from apps.sms.lime import Kind, Verdict
from apps.sms.models import (
    ChoiceRun,
    PhoneSuppression,
    SentText,
    Subscriber,
    TextConfig,
    TextLink,
    TextMessage,
    TextTally,
    TrackingEvent,
)
from apps.sms.tracking.recording import Happening, record
from tests.factories.brands import BrandFactory
from tests.factories.texts import (
    LimeAccountFactory,
    SubscriberFactory,
    SubscriptionFactory,
    TextMessageFactory,
)
from tests.integration.sms.test_events import hours_ago, sent

if TYPE_CHECKING:
    from apps.brands.models import Brand

PHONE = "+12125550100"
LISTS = [
    "textcampaign", "textmessage", "subscriber", "trackingevent", "choicerun", "optinlist",
    "listsyncrun", "textreply", "limecallback", "textconfig", "keyword", "statehours",
    "phonesuppression", "eventsource", "subscribeflag", "keybrand",
]  # fmt: skip


@pytest.fixture
def brand(db: None) -> Brand:
    return BrandFactory.create(name="Harbour")


@pytest.fixture
def message(brand: Brand) -> TextMessage:
    return TextMessageFactory.create(
        campaign__brand=brand, brand=brand, name="Sale", body="Hi {{ subscriber.first_name }}!"
    )


@pytest.fixture
def anna(brand: Brand, message: TextMessage) -> Subscriber:
    """With a text, a click and a purchase."""
    person = SubscriberFactory.create(phone=PHONE, first_name="Anna", email="anna@example.com")
    SubscriptionFactory.create(subscriber=person, brand=brand)
    sent(person, message, at=hours_ago(3))
    common: dict[str, Any] = {"brand_id": brand.pk, "subscriber_id": person.pk, "source": "api"}
    record(
        [
            Happening(event_type="click", occurred_at=hours_ago(2), **common),
            Happening(
                event_type="purchase",
                occurred_at=hours_ago(1),
                value=Decimal(20),
                currency="USD",
                **common,
            ),
        ]
    )
    return person


def operator(*held: Right, brand: Brand | None = None, superuser: bool = False) -> Client:
    user = get_user_model().objects.create_user(
        f"anna{Grant.objects.count()}{superuser}", is_staff=True, is_superuser=superuser
    )
    for right in held:
        assert brand is not None
        Grant.objects.create(user=user, brand=brand, right=right, granted_by="test")
    client = Client()
    client.force_login(user)
    return client


def page(name: str, *args: object) -> str:
    return reverse(f"admin:sms_{name}", args=args)


@pytest.mark.parametrize("name", LISTS)
def test_every_list_opens(name: str, anna: Subscriber) -> None:
    answer = operator(superuser=True).get(page(f"{name}_changelist"))

    assert answer.status_code == 200


@pytest.mark.parametrize("name", ["textcampaign", "textmessage", "textconfig", "keyword"])
def test_forms_open(name: str, anna: Subscriber, message: TextMessage) -> None:
    client = operator(superuser=True)

    assert client.get(page(f"{name}_add")).status_code == 200
    assert client.get(page("textmessage_change", message.pk)).status_code == 200


def test_a_person_is_told_with_all_that_happened(anna: Subscriber, brand: Brand) -> None:
    client = operator(Right.VIEW, brand=brand)

    answer = client.get(page("subscriber_change", anna.pk)).content.decode()

    for told in ("opted in to Harbour", "text “Sale”: sent", "Click", "20.00 USD, after “Sale”"):
        assert told.lower() in answer.lower()
    assert "Erase this person" not in answer


def test_foreign_people_are_not_there(anna: Subscriber) -> None:
    client = operator(Right.VIEW, brand=BrandFactory.create())

    assert client.get(page("subscriber_change", anna.pk)).status_code == 404
    assert PHONE not in client.get(page("subscriber_changelist")).content.decode()
    assert client.get(page("subscriber_export", anna.pk)).status_code == 404
    assert client.post(page("subscriber_opt_out", anna.pk)).status_code == 404


@pytest.mark.parametrize("term", ["2125550", "+1 212 555 0100", "Anna@example.com"])
def test_people_are_found(anna: Subscriber, brand: Brand, term: str) -> None:
    SubscriberFactory.create(phone="+13105550100")
    client = operator(superuser=True)

    found = client.get(page("subscriber_changelist"), {"q": term}).content.decode()

    assert PHONE in found
    assert "+13105550100" not in found


def test_export_needs_its_right_and_tells_all(anna: Subscriber, brand: Brand) -> None:
    refused = operator(Right.EDIT, brand=brand).get(page("subscriber_export", anna.pk))
    answer = operator(Right.EXPORT, brand=brand).get(page("subscriber_export", anna.pk))

    assert refused.status_code == 403
    told = json.loads(answer.content)
    assert told["subscriber"]["phone"] == PHONE
    assert [one["event_type"] for one in told["events"]] == ["click", "purchase"]
    assert told["texts"][0]["state"] == "sent"


def test_erasing_needs_every_brand_and_leaves_a_digest(anna: Subscriber, brand: Brand) -> None:
    other = SubscriptionFactory.create(subscriber=anna).brand
    TextTally.objects.create(
        subscriber=anna, day=hours_ago(3).date(), texts=1, last_at=hours_ago(3)
    )
    half = operator(Right.ERASE, brand=brand)
    whole = operator(Right.ERASE, brand=brand)
    Grant.objects.create(
        user_id=whole.session["_auth_user_id"], brand=other, right=Right.ERASE, granted_by="test"
    )
    path = page("subscriber_erase", anna.pk)

    assert half.post(path, {"typed": PHONE}).status_code == 403
    assert whole.post(path, {"typed": "+12125550999"}).status_code == 200
    assert Subscriber.objects.filter(pk=anna.pk).exists()
    assert whole.post(path, {"typed": "(212) 555-0100"}).status_code == 302

    assert not Subscriber.objects.filter(pk=anna.pk).exists()
    assert PhoneSuppression.objects.get().reason == "erased"
    assert SentText.objects.get().phone != PHONE
    assert TrackingEvent.objects.count() == 2


def test_opting_out_by_hand(anna: Subscriber, brand: Brand) -> None:
    client = operator(Right.EDIT, brand=brand)

    client.post(page("subscriber_opt_out", anna.pk), {"brand": brand.pk})

    assert not anna.subscriptions.get().active


def test_a_message_is_measured_as_it_is_typed(message: TextMessage, brand: Brand) -> None:
    client = operator(Right.EDIT, brand=brand)
    typed = {
        "campaign": message.campaign_id,
        "body": "Hi {{ subscriber.first_name }} \u2013 {{ links.sale }}",
        "link": ["sale"],
    }

    told = client.post(page("textmessage_measure"), typed).json()
    broken = client.post(page("textmessage_measure"), {**typed, "body": "{{ x"}).json()
    foreign = operator(Right.EDIT, brand=BrandFactory.create())

    assert told["text"].startswith("Hi Anna \u2013 http")
    assert (told["encoding"], told["segments"], told["forcing"]) == ("UCS-2", 1, "\u2013")
    assert "problem" in broken
    assert foreign.post(page("textmessage_measure"), typed).status_code == 403


def test_a_message_is_saved_with_links_in_slots(message: TextMessage, brand: Brand) -> None:
    client = operator(Right.EDIT, brand=brand)
    posted = {
        "campaign": message.campaign_id,
        "name": "Sale",
        "body": "See {{ links.sale }}",
        "weight": "1",
        "active": "on",
        "links-TOTAL_FORMS": "2",
        "links-INITIAL_FORMS": "0",
        "links-0-name": "sale",
        "links-0-url": "https://shop.example/sale",
        "links-1-name": "more",
        "links-1-url": "https://shop.example/more",
    }

    saved = client.post(page("textmessage_change", message.pk), posted)
    bad = client.post(
        page("textmessage_change", message.pk),
        {**posted, "body": "{{ oh", "links-0-url": "javascript:alert(1)"},
    )

    assert saved.status_code == 302
    assert dict(TextLink.objects.values_list("name", "slot")) == {"sale": 0, "more": 1}
    assert bad.status_code == 200


def test_a_test_text_goes_to_the_number_given(
    message: TextMessage, brand: Brand, monkeypatch: Any
) -> None:
    TextConfig.objects.create(brand=brand, account=LimeAccountFactory.create(), shortcode="71441")
    calls: list[dict[str, Any]] = []

    def send_one(**call: Any) -> Verdict:
        calls.append(call)
        return Verdict(Kind.ACCEPTED)

    monkeypatch.setattr("apps.sms.calling.singles.send_one", send_one)
    client = operator(Right.EDIT, brand=brand)

    client.post(page("textmessage_test", message.pk), {"phone": "732 555 0100"})
    client.post(page("textmessage_test", message.pk), {"phone": "nobody"})
    viewer = operator(Right.VIEW, brand=brand)
    refused = viewer.post(page("textmessage_test", message.pk), {"phone": "732 555 0100"})

    assert [(one["phone"], one["shortcode"], one["body"]) for one in calls] == [
        ("+17325550100", "71441", "Hi Anna!")
    ]
    assert refused.status_code == 403


def test_settings_are_changed_by_who_may_and_told(brand: Brand) -> None:
    row = TextConfig.objects.create(brand=brand)
    station = TextConfig.objects.get(brand=None)
    admin = operator(Right.ADMINISTER, brand=brand)
    editor = operator(Right.EDIT, brand=brand)
    posted = {"brand": brand.pk, "daily_limit": "2", "sending": "true", "dry_run": "unknown"}

    assert admin.post(page("textconfig_change", row.pk), posted).status_code == 302
    assert admin.post(page("textconfig_change", station.pk), posted).status_code == 403
    assert editor.post(page("textconfig_change", row.pk), posted).status_code == 403

    row.refresh_from_db()
    assert (row.daily_limit, row.sending) == (2, True)
    assert AuditEntry.objects.filter(
        table_name="sms_textconfig", object_id=str(row.pk), action="update"
    ).exists()


def test_days_and_figures_add_up(anna: Subscriber, message: TextMessage, brand: Brand) -> None:
    ChoiceRun.objects.create(
        brand=brand, minute=datetime.now(tz=UTC), reasons={"outside_hours": 12}
    )
    note_changed([SentText.objects.get().local_day])
    count_due()
    client = operator(Right.VIEW, brand=brand)

    days = client.get(page("textcampaign_days", brand.pk)).content.decode()
    figures = client.get(page("textcampaign_figures", message.campaign_id)).content.decode()
    foreign = operator(Right.VIEW, brand=BrandFactory.create())

    assert "Sent: 1 in all" in days
    assert "Revenue: 20.00 USD in all" in days
    assert "It is outside the hours" in days
    assert "100.0 %" in figures
    assert foreign.get(page("textcampaign_days", brand.pk)).status_code == 403
    assert foreign.get(page("textcampaign_figures", message.campaign_id)).status_code == 404
