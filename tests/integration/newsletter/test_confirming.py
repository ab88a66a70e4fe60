"""The link of a double opt-in and the preferences, as pages and for programs."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.utils import timezone

from apps.contacts import subscribing
from apps.contacts.models import (
    ConsentKind,
    ConsentRecord,
    ConsentSource,
    Contact,
    ContactStatus,
    TopicState,
    TopicSubscription,
)
from apps.contacts.subscribing import Evidence
from apps.mail import links
from apps.mail.links import LinkTarget, Purpose
from apps.mail.models import Message
from apps.newsletter.confirm_links import ConfirmTarget, make_token, read_token
from apps.newsletter.models import CacheInvalidation
from tests.factories.contacts import ContactFactory, TopicFactory, TopicSubscriptionFactory
from tests.factories.mail import TemplateFactory

if TYPE_CHECKING:
    from django.test import Client

    from tests.integration.newsletter.conftest import Door

ANNA = "anna@people.example"


@pytest.fixture
def token(door: Door) -> str:
    """Of the mail that somebody got who asked for a topic."""
    TopicFactory.create(brand=door.brand, slug="news")
    door.change(welcome_template=TemplateFactory.create(brand=door.brand, slug="hello"))
    door.join(ANNA, topics=["news"])
    message = Message.objects.get(mailing__name="confirm: confirmation-en")
    url = (message.variables or {})["confirm_url"]
    return str(re.fullmatch(r".*/confirm/([^/]+)/", url)[1])  # type: ignore[index]


def status() -> str:
    return Contact.objects.get(address=ANNA).status


def leave(contact_id: int) -> None:
    evidence = Evidence(source=ConsentSource.OPERATOR, occurred_at=timezone.now())
    subscribing.unsubscribe(contact_id=contact_id, evidence=evidence)


# --- Confirming ---------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/confirm/{}/", "/confirm/{}", "/api/email/confirm/{}"])
def test_looking_changes_nothing_and_the_button_confirms(
    door: Door, token: str, client: Client, path: str
) -> None:
    looked = client.get(path.format(token))
    before = status()

    pressed = client.post(path.format(token))

    assert (looked.status_code, before, pressed.status_code) == (200, ContactStatus.PENDING, 200)
    assert 'method="post"' in looked.content.decode()
    assert "You are subscribed" in pressed.content.decode()
    assert status() == ContactStatus.SUBSCRIBED
    assert looked.headers["Cache-Control"] == "no-store"
    assert looked.headers["X-Robots-Tag"] == "noindex, nofollow"


def test_confirming_joins_topics_welcomes_and_tells_once(door: Door, token: str) -> None:
    answers = [door.post("confirm", {"token": token}) for _ in range(3)]

    assert [one.body["status"] for one in answers] == ["confirmed"] * 3
    assert TopicSubscription.objects.get().state == TopicState.OPT_IN
    assert [stream for stream, _ in door.mails()] == ["confirm: confirmation-en", "welcome: hello"]
    assert ConsentRecord.objects.filter(kind=ConsentKind.CONFIRMED, source="link").count() == 1
    assert CacheInvalidation.objects.filter(state="waiting").count() == 1


def test_expired_link_says_what_to_do(door: Door, token: str, client: Client) -> None:
    target = read_token(token)
    old = make_token(ConfirmTarget(target.contact_id, target.asked_at - timedelta(days=8)))

    page = client.post(f"/confirm/{old}/")

    assert "sign up again" in page.content.decode()
    assert door.post("confirm", {"token": old}).body["status"] == "expired"
    assert status() == ContactStatus.PENDING


def test_old_link_does_not_bring_back_who_left_since(door: Door, token: str) -> None:
    door.post("confirm", {"token": token})
    leave(read_token(token).contact_id)

    answer = door.post("confirm", {"token": token})

    assert answer.body["status"] == "left"
    assert status() == ContactStatus.UNSUBSCRIBED


@pytest.mark.parametrize("spoilt", ["x", "A" * 38, "%2e%2e", "unsubscribe"])
def test_link_that_is_not_ours_is_told_gently(
    door: Door, client: Client, token: str, spoilt: str
) -> None:
    if spoilt == "unsubscribe":  # good for leaving, and for nothing else
        spoilt = links.make_token(LinkTarget(read_token(token).contact_id, 0, 0))

    assert client.post(f"/confirm/{spoilt}/").status_code == 404
    assert client.post(f"/preferences/{spoilt}/").status_code == 404
    assert door.post("confirm", {"token": spoilt}).body["name"] == "unknown_link"
    assert status() == ContactStatus.PENDING


def test_confirmation_mail_is_rendered_in_the_persons_language(door: Door) -> None:
    door.join(ANNA, locale="de-AT")

    message = Message.objects.select_related("mailing__content").get()
    assert message.mailing.name == "confirm: confirmation-de"
    assert "{{ brand.name }}" in message.mailing.content.subject


# --- Preferences --------------------------------------------------------------------------------


@pytest.fixture
def contact(door: Door) -> Contact:
    """Subscribed, wants news, was never asked about offers."""
    found = ContactFactory.create(brand=door.brand, email=ANNA, status="subscribed")
    news = TopicFactory.create(brand=door.brand, slug="news", name="News")
    TopicFactory.create(brand=door.brand, slug="offers", name="Offers")
    TopicFactory.create(brand=door.brand, slug="inner", name="Inner", is_public=False)
    TopicSubscriptionFactory.create(contact=found, topic=news, state=TopicState.OPT_IN)
    return found


def preferences_token(contact: Contact) -> str:
    return links.make_token(LinkTarget(contact.pk, 0, 0), Purpose.PREFERENCES)


def kinds(contact: Contact) -> list[str]:
    records = ConsentRecord.objects.filter(contact=contact, source="preferences").order_by("pk")
    return list(records.values_list("kind", flat=True))


def boxes(page: str) -> list[tuple[str, str]]:
    return re.findall(r'name="topic" value="(\w+)"( checked)?>', page)


def test_preferences_page_saves_topics(client: Client, contact: Contact) -> None:
    path = f"/preferences/{preferences_token(contact)}/"
    shown = client.get(path).content.decode()

    saved = client.post(path, {"do": "save", "topic": ["offers"]}).content.decode()

    assert boxes(shown) == [("news", " checked"), ("offers", "")]
    assert boxes(saved) == [("news", ""), ("offers", " checked")]
    assert "Your choice is saved." in saved
    assert kinds(contact) == [ConsentKind.TOPIC_OPT_OUT, ConsentKind.TOPIC_OPT_IN]
    assert "Inner" not in shown
    assert ANNA not in shown + saved


def test_pause_leave_and_come_back_by_the_page(client: Client, contact: Contact) -> None:
    path = f"/preferences/{preferences_token(contact)}/"
    found = []

    for button in ("pause", "resume", "leave", "join", "dance"):
        assert client.post(path, {"do": button}).status_code == 200
        contact.refresh_from_db()
        found.append((contact.status, contact.paused_until is not None))

    assert found == [
        ("subscribed", True),
        ("subscribed", False),
        ("unsubscribed", False),
        ("subscribed", False),
        ("subscribed", False),
    ]
    assert kinds(contact) == ["paused", "resumed", "unsubscribed", "confirmed"]


def test_programs_choose_by_token(door: Door, contact: Contact) -> None:
    token = preferences_token(contact)

    looked = door.ask("GET", f"preferences?token={token}")
    changed = door.post("preferences", {"token": token, "topics": {"news": False}, "paused": True})
    refused = door.post("preferences", {"token": token, "topics": {"inner": True}})

    assert (looked.status, looked.body["status"]) == (200, "subscribed")
    assert [(one["slug"], one["is_chosen"]) for one in changed.body["topics"]] == [
        ("news", False),
        ("offers", False),
    ]
    assert changed.body["paused_until"] is not None
    assert (refused.status, list(refused.body["errors"])) == (422, ["topics"])
    assert ANNA not in str(looked.body)


def test_programs_leave_by_either_link(door: Door, contact: Contact) -> None:
    for token in (links.make_token(LinkTarget(contact.pk, 0, 0)), preferences_token(contact)):
        answer = door.post("unsubscribe", {"token": token})
        assert (answer.status, answer.body["status"]) == (200, "unsubscribed")

    contact.refresh_from_db()
    assert contact.status == ContactStatus.UNSUBSCRIBED
    assert CacheInvalidation.objects.count() == 1


def test_mail_has_the_preferences_link(contact: Contact) -> None:
    target = LinkTarget(contact.pk, 1, 2)

    url = links.preferences_url(target)

    token: Any = url.rsplit("/", 2)[1]
    assert links.read_token(token, Purpose.PREFERENCES) == target
    with pytest.raises(links.InvalidLinkError):
        links.read_token(token)
