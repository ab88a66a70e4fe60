"""One person over all rooms: their time line, all that is kept of them, and their erasure."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.test import Client
from django.urls import reverse

from apps.brands.models import Grant
from apps.brands.rights import Right
from apps.contacts import erasing, traces
from apps.contacts.models import Contact, SuppressionOrigin
from apps.mail.models import Message
from apps.newsletter.models import ContactSubmission, Interaction, OptIn, ScoreChange
from apps.queues.partitions import ensure_partitions
from tests.factories.brands import BrandFactory
from tests.factories.contacts import ConsentRecordFactory, ContactFactory
from tests.factories.mail import MailingFactory

if TYPE_CHECKING:
    from apps.brands.models import Brand

pytestmark = pytest.mark.django_db

NOW = datetime.now(tz=UTC)
MONTH = NOW.date().replace(day=1)


@pytest.fixture
def brand() -> Brand:
    made: Brand = BrandFactory.create()
    return made


@pytest.fixture
def person(brand: Brand) -> Contact:
    for table in ("mail_message", "newsletter_interaction", "newsletter_scorechange"):
        ensure_partitions(table, around=MONTH)
    contact: Contact = ContactFactory.create(brand=brand, email="ada@people.example")
    ConsentRecordFactory.create(contact=contact)
    OptIn.objects.create(contact=contact, source="form", ip="192.0.2.7", asked_at=NOW)
    Interaction.objects.create(
        month=MONTH, brand=brand, contact_id=contact.pk, kind="visited", subject="/jobs",
        event_id="e-1", occurred_at=NOW - timedelta(hours=2),
    )  # fmt: skip
    ScoreChange.objects.create(
        month=MONTH, brand=brand, contact_id=contact.pk, old_score=0, new_score=12, old_tier="",
        new_tier="warm", cause="event", why={"visited": [3, 12]}, at=NOW - timedelta(hours=1),
    )  # fmt: skip
    ContactSubmission.objects.create(
        brand=brand, state=ContactSubmission.State.values[0], email=contact.email,
        address=contact.address, message="Where is my order?",
    )  # fmt: skip
    mailing = MailingFactory.create(brand=brand, name="May news")
    for state in (Message.State.SENT, Message.State.PENDING):
        Message.objects.create(
            month=MONTH, mailing=mailing if state == "sent" else MailingFactory.create(brand=brand),
            contact_id=contact.pk, address=contact.address, state=state, variables={"order": 7},
            settled_at=NOW if state == "sent" else None,
        )  # fmt: skip
    return contact


def browser(user: Any, brand: Brand, *held: Right) -> Client:
    for right in held:
        Grant.objects.create(user=user, brand=brand, right=right)
    client = Client()
    client.force_login(user)
    return client


def erase(contact: Contact) -> None:
    erasing.erase_person(contact_id=contact.pk, origin=SuppressionOrigin.PERSON, now=NOW)


def test_time_line_has_the_moments_of_all_rooms(
    person: Contact, brand: Brand, django_user_model: Any
) -> None:
    user = django_user_model.objects.create_user("anna", is_staff=True)

    answer = browser(user, brand, Right.VIEW).get(
        reverse("admin:contacts_contact_change", args=[person.pk])
    )

    text = answer.content.decode()
    for told in ("Mail sent", "May news", "Visited", "/jobs", "Score 0 → 12, now in tier warm"):
        assert told in text
    assert "everything.json" not in text


def test_all_that_is_kept_is_handed_over(
    person: Contact, brand: Brand, django_user_model: Any
) -> None:
    user = django_user_model.objects.create_user("anna", is_staff=True)
    url = reverse("admin:contacts_contact_everything", args=[person.pk])

    refused = browser(user, brand, Right.VIEW).get(url)
    given = json.loads(browser(user, brand, Right.EXPORT).get(url).content)

    assert refused.status_code == 403
    assert given["person"]["email"] == "ada@people.example"
    assert len(given["consent"]) == 1
    assert [one["name"] for one in given["mail: messages"]][-1] == "May news"
    assert given["newsletter: interactions"][0]["subject"] == "/jobs"
    assert given["newsletter: contact form"][0]["message"] == "Where is my order?"
    assert given["newsletter: scores"][0]["why"] == {"visited": [3, 12]}


def test_erasure_leaves_nothing_that_tells_of_the_person(person: Contact) -> None:
    erase(person)

    left = Message.objects.exclude(state=Message.State.PENDING).get()
    assert (left.address, left.variables) == ("", None)
    for model in (Interaction, ScoreChange, OptIn, ContactSubmission):
        assert not model.objects.exists()
    gone = traces.export_person(Contact.objects.get(pk=person.pk))
    assert "ada@" not in json.dumps(gone["person"], default=str)


def test_what_was_under_way_is_erased_later(person: Contact) -> None:
    erase(person)
    Message.objects.filter(state=Message.State.PENDING).update(
        state=Message.State.SKIPPED, reason="erased", settled_at=NOW
    )

    changed = traces.erase_again(now=NOW + timedelta(hours=6))
    again = traces.erase_again(now=NOW + timedelta(hours=12))

    assert (changed, again) == (1, 0)
    assert not Message.objects.exclude(address="").exists()
