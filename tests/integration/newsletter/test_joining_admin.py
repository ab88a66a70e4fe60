"""What operators see and set of joining, and that they see only their own brand's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth import get_user_model
from django.urls import reverse

from apps.brands.models import AuditEntry, Grant
from apps.brands.rights import Right
from apps.contacts.models import Contact
from apps.mail.models import Message
from apps.newsletter.models import CacheInvalidation, ContactSubmission, JoiningRules, MailAction
from tests.factories.brands import BrandFactory
from tests.factories.mail import TemplateFactory

if TYPE_CHECKING:
    from django.test import Client

    from tests.integration.newsletter.conftest import Door

LISTS = ("joiningrules", "contactsubmission", "cacheinvalidation")


@pytest.fixture
def anna(door: Door, client: Client) -> Client:
    """Administers and edits the brand, and no other."""
    user = get_user_model().objects.create_user("anna", is_staff=True)
    for right in (Right.ADMINISTER, Right.EDIT):
        Grant.objects.create(user=user, brand=door.brand, right=right)
    client.force_login(user)
    return client


def page(name: str, *args: Any) -> str:
    return reverse(f"admin:newsletter_{name}", args=args)


def text_of(brand: Any, state: str, word: str) -> ContactSubmission:
    address = f"{word}@people.example"
    return ContactSubmission.objects.create(
        brand=brand, state=state, email=address, address=address, message=word
    )


def test_lists_show_the_own_brand_only(anna: Client, door: Door) -> None:
    other = BrandFactory.create(name="Elsewhere")
    JoiningRules.objects.create(brand=other)
    text_of(other, "held", "foreign")
    text_of(door.brand, "held", "familiar")
    for brand in (other, door.brand):
        CacheInvalidation.objects.create(brand=brand, tags=[f"tag-of-{brand.slug}"])

    pages = [anna.get(page(f"{name}_changelist")) for name in LISTS]

    assert [one.status_code for one in pages] == [200] * 3
    shown = "".join(one.content.decode() for one in pages)
    assert "familiar" in shown
    assert "tag-of-harbour" in shown
    assert "Elsewhere" not in shown
    assert "foreign" not in shown


def test_rules_are_changed_and_the_secret_never_comes_out(anna: Client, door: Door) -> None:
    template = TemplateFactory.create(brand=door.brand, slug="hello")
    TemplateFactory.create(brand=BrandFactory.create(), slug="foreign-template")
    door.change(captcha_secret="s3cret-of-ours")
    path = page("joiningrules_change", door.rules.pk)
    looked = anna.get(path).content.decode()

    saved = anna.post(
        path,
        {
            "double_opt_in": "on",
            "welcome_template": template.pk,
            "origins": "https://Shop.harbour.example/\nhttps://www.harbour.example",
            "shows_count": "on",
            "contact_forward_to": "desk@harbour.example",
            "captcha_secret": "",
            "actions-TOTAL_FORMS": 1,
            "actions-INITIAL_FORMS": 0,
            "actions-0-action": "job-approved",
            "actions-0-template": template.pk,
            "actions-0-rules": door.rules.pk,
        },
    )

    assert saved.status_code == 302, saved.content.decode()[:3000]
    rules = JoiningRules.objects.get(pk=door.rules.pk)
    assert rules.origins == ["https://shop.harbour.example", "https://www.harbour.example"]
    assert (rules.captcha_secret, rules.welcome_template) == ("s3cret-of-ours", template)
    assert MailAction.objects.get().template == template
    assert "s3cret" not in looked
    assert "foreign-template" not in looked
    log = AuditEntry.objects.filter(table_name="newsletter_joiningrules").latest("pk")
    assert "welcome_template_id" in (log.after or {})


@pytest.mark.parametrize("origin", ["www.harbour.example", "https://a.example/path", "*"])
def test_origin_must_be_one(anna: Client, door: Door, origin: str) -> None:
    answer = anna.post(
        page("joiningrules_change", door.rules.pk),
        {"origins": origin, "actions-TOTAL_FORMS": 0, "actions-INITIAL_FORMS": 0},
    )

    assert answer.status_code == 200
    assert "as browsers send it" in answer.content.decode()


def test_held_texts_are_forwarded_or_discarded(anna: Client, door: Door) -> None:
    door.change(contact_forward_to="desk@harbour.example")
    good, bad, done = (
        text_of(door.brand, state, word)
        for state, word in (("held", "good"), ("held", "bad"), ("kept", "done"))
    )
    path = page("contactsubmission_changelist")

    for action, rows in (("forward", [good.pk, done.pk]), ("discard", [bad.pk])):
        anna.post(path, {"action": action, "_selected_action": rows})

    states = dict(ContactSubmission.objects.values_list("message", "state"))
    assert states == {"good": "forwarded", "bad": "discarded", "done": "kept"}
    assert Message.objects.count() == 1
    assert Contact.objects.get().address == "desk@harbour.example"
    shown = anna.get(page("contactsubmission_change", good.pk)).content.decode()
    assert "good@people.example" in shown
