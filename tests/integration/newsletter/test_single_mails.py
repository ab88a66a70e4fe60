"""Single mails that programs ask for, and the address of somebody nobody knew."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.utils import timezone

from apps.brands.models import IdempotentAnswer
from apps.contacts import erasing
from apps.contacts.eligibility import MailClass, SkipReason, blocked_addresses
from apps.contacts.models import ConsentRecord, Contact, ContactStatus, SuppressionOrigin
from apps.mail import mailings, singles
from apps.mail.models import Mailing, Message
from apps.newsletter.models import MailAction
from tests.factories.contacts import ContactFactory
from tests.factories.mail import TemplateFactory

if TYPE_CHECKING:
    from apps.mail.models import Template
    from tests.integration.newsletter.conftest import Answer, Door

BEN = "ben@people.example"


@pytest.fixture
def receipt(door: Door) -> Template:
    return TemplateFactory.create(
        brand=door.brand,
        slug="receipt",
        subject="Order {{ variables.order }}",
        html="<html><body><p>Order {{ variables.order }}, thank you</p></body></html>",
    )


def order(door: Door, *, path: str = "transactional", **more: Any) -> Answer:
    headers = more.pop("headers", {})
    body = {"to": BEN, "variables": {"order": "4711"}, **more}
    if path == "transactional":
        body.setdefault("template", "receipt")
    return door.post(path, body, by_key=True, **headers)


def test_stranger_gets_the_mail_and_can_never_get_commercial_mail(
    door: Door, receipt: Template
) -> None:
    answer = order(door)

    assert (answer.status, answer.body["status"]) == (202, "pending")
    contact = Contact.objects.get(address=BEN)
    assert contact.status == ContactStatus.UNSUBSCRIBED
    assert not ConsentRecord.objects.filter(contact=contact).exists()
    assert blocked_addresses([BEN], door.brand, MailClass.COMMERCIAL) == {
        BEN: SkipReason.UNSUBSCRIBED
    }
    message = Message.objects.select_related("mailing").get()
    assert (message.mailing.mail_class, message.variables) == ("transactional", {"order": "4711"})


@pytest.mark.parametrize("where", ["header", "body"])
def test_same_key_sends_once(door: Door, receipt: Template, where: str) -> None:
    how: dict[str, Any] = (
        {"headers": {"idempotency_key": "k1"}} if where == "header" else {"idempotency_key": "k1"}
    )

    first, again = order(door, **how), order(door, **how)
    other = order(door, variables={"order": "4712"}, **how)

    assert (first.status, again.status) == (202, 202)
    assert first.body == again.body
    assert (other.status, other.body["name"]) == (422, "idempotency_key_reused")
    assert Message.objects.count() == 1


def test_key_of_last_month_is_still_good(
    door: Door, receipt: Template, monkeypatch: pytest.MonkeyPatch
) -> None:
    this_month = mailings._this_month()
    last_month = (this_month - timedelta(days=1)).replace(day=1)

    def in_month(month: date) -> None:
        monkeypatch.setattr(singles, "_this_month", lambda: month)

    in_month(last_month)
    first = order(door, idempotency_key="k1")
    in_month(this_month)
    IdempotentAnswer.objects.all().delete()  # kept for a day; what was written down stays
    again = order(door, idempotency_key="k1")

    assert again.body == first.body
    assert Message.objects.count() == 1


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"variables": {}}, "variables.order"),
        ({"variables": {"order": {"a": [[[[[[[1]]]]]]]}}}, "variables"),
        ({"variables": {"order": "x" * 70_000}}, "variables"),
        ({"template": "nothing"}, "template"),
        ({"to": "nobody"}, "to"),
        ({"idempotency_key": " "}, "idempotency_key"),
        ({"colour": 1}, "colour"),
    ],
)
def test_mail_that_cannot_be_made_is_refused(
    door: Door, receipt: Template, more: dict[str, Any], field: str
) -> None:
    answer = order(door, **more)

    assert (answer.status, list(answer.body["errors"])) == (422, [field])
    assert not Message.objects.exists()
    assert not Contact.objects.exists()


def test_erased_person_gets_nothing(door: Door, receipt: Template) -> None:
    gone = ContactFactory.create(brand=door.brand, email=BEN)
    erasing.erase_person(contact_id=gone.pk, origin=SuppressionOrigin.PERSON, now=timezone.now())

    answer = order(door)

    assert (answer.status, answer.body["name"]) == (409, "conflict")
    assert not Contact.objects.filter(address=BEN).exists()


def test_action_says_which_template_and_unknown_ones_are_refused(
    door: Door, receipt: Template
) -> None:
    MailAction.objects.create(rules=door.rules, action="job-approved", template=receipt)

    known = order(door, path="job-lifecycle", headers={"x_email_action": "job-approved"})
    unknown = [
        order(door, path="job-lifecycle", headers={"x_email_action": name})
        for name in ("drop-tables", "")
    ]

    assert known.status == 202
    assert Mailing.objects.get().name == "action job-approved: receipt"
    for answer in unknown:
        assert answer.status == 422
        assert answer.body["errors"]["X-Email-Action"] == [
            "Unknown action. Known are: job-approved."
        ]


def test_welcome_is_commercial_and_for_contacts(door: Door) -> None:
    door.change(welcome_template=TemplateFactory.create(brand=door.brand, slug="hello"))

    stranger = order(door, path="welcome", variables={})
    ContactFactory.create(brand=door.brand, email=BEN, status="subscribed")
    known = order(door, path="welcome", variables={})

    assert (stranger.status, list(stranger.body["errors"])) == (422, ["to"])
    assert known.status == 202
    assert Mailing.objects.get().mail_class == "commercial"


@pytest.mark.parametrize("path", ["transactional", "welcome", "job-lifecycle"])
def test_mails_need_a_key(door: Door, receipt: Template, path: str) -> None:
    answer = door.post(path, {"to": BEN, "template": "receipt"})

    assert answer.status == 401
