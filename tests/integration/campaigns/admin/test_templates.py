"""Templates in admin: written beside their preview, kept from those who may not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.urls import reverse

from apps.brands.rights import Right
from apps.campaigns.models import Campaign
from apps.mail.models import Template
from tests.factories.brands import SenderFactory
from tests.factories.mail import TemplateFactory
from tests.integration.campaigns.conftest import Newsroom

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client


def page(name: str, *ids: int) -> str:
    return reverse(f"admin:mail_template_{name}", args=ids)


def test_template_is_written_and_its_writer_remembered(
    newsroom: Newsroom, log_in: Callable[..., Client]
) -> None:
    campaign = newsroom.campaign()
    anna = log_in("anna", Right.EDIT)
    address = page("change", campaign.template_id)
    assert campaign.name in anna.get(address).content.decode()

    anna.post(address, {"subject": "Hi", "html": "<p>x</p>\r\n", "text": ""})

    template = Template.objects.get(pk=campaign.template_id)
    assert (template.subject, template.html) == ("Hi", "<p>x</p>\n")
    (author,) = Campaign.objects.get().authors
    assert author.endswith(" anna")


def test_new_template_begins_with_a_letter(
    newsroom: Newsroom, log_in: Callable[..., Client]
) -> None:
    anna = log_in("anna", Right.EDIT)
    assert "unsubscribe_url" in anna.get(page("add")).content.decode()

    anna.post(
        page("add"),
        {"brand": newsroom.brand.pk, "slug": "new", "subject": "x", "html": "x", "text": ""},
    )

    assert Template.objects.get().slug == "new"


def test_preview_and_people_are_those_of_the_brand(
    newsroom: Newsroom, log_in: Callable[..., Client]
) -> None:
    ann = newsroom.add_person("ann", first_name="Ann")
    Newsroom(SenderFactory.create()).add_person("anna")
    template = TemplateFactory.create(brand=newsroom.brand)
    anna = log_in("anna", Right.VIEW)

    typed = {"subject": "Hi {{ contact.first_name }}", "html": "x", "contact": ann.pk}
    seen = anna.post(page("preview", template.pk), typed).json()
    people = anna.get(page("people", template.pk), {"q": "ann"}).json()["people"]

    assert seen["subject"] == "Hi Ann"
    assert [one["id"] for one in people] == [ann.pk]


def test_rights_and_brands_are_kept(newsroom: Newsroom, log_in: Callable[..., Client]) -> None:
    template = TemplateFactory.create(brand=newsroom.brand)
    foreign = TemplateFactory.create()
    viewer, editor = log_in("viewer", Right.VIEW), log_in("editor", Right.EDIT)
    given = {"subject": "x", "html": "x", "text": ""}

    assert viewer.get(page("change", template.pk)).status_code == 200
    assert viewer.post(page("change", template.pk), given).status_code == 403
    for name in ("change", "people"):
        assert editor.get(page(name, foreign.pk)).status_code == 404
    assert editor.post(page("preview", foreign.pk), given).status_code == 404
    assert foreign.slug not in editor.get(page("changelist")).content.decode()


def test_template_that_a_campaign_needs_is_not_deleted(
    newsroom: Newsroom, log_in: Callable[..., Client]
) -> None:
    needed, free = newsroom.campaign().template, TemplateFactory.create(brand=newsroom.brand)
    anna = log_in("anna", Right.EDIT)

    assert anna.post(page("delete", needed.pk), {"post": "yes"}).status_code == 403
    anna.post(page("delete", free.pk), {"post": "yes"})

    assert list(Template.objects.all()) == [needed]
