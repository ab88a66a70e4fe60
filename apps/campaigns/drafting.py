"""Drafts: made, found again, and rewritten until they are launched."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, Any

import structlog
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils.text import slugify

from apps.brands.models import Sender
from apps.campaigns import audience as rules
from apps.campaigns import dry_running, scheduling
from apps.campaigns.errors import (
    AlreadyLaunched,
    InvalidCampaignError,
    UnknownCampaignError,
)
from apps.campaigns.models import Campaign
from apps.mail.models import Template

if TYPE_CHECKING:
    from apps.brands.models import Brand

log = structlog.get_logger(__name__)

SLUG_LIMIT = 60
NAME_LIMIT = 200
_ID = re.compile(r"[0-9]{1,18}")  # fits a bigint


def create_campaign(  # noqa: PLR0913 - the fields of a campaign
    *,
    brand: Brand,
    sender: Sender,
    template: Template,
    name: str,
    audience: dict[str, Any],
    actor: str,
    slug: str = "",
) -> Campaign:
    """A draft of `actor`; the slug is made from the name where none is given.

    Raises `InvalidAudienceError`, or `InvalidCampaignError` naming each field that is wrong. What
    stands against a launch is `checking.check`'s business.
    """
    rules.parse(audience)
    campaign = Campaign(
        brand=brand,
        sender=sender,
        template=template,
        name=name,
        audience=audience,
        slug=slug or slug_from(name),
        authors=[actor],
    )
    _save_valid(campaign)
    log.info("campaign_created", campaign=campaign.pk, brand=brand.pk)
    return campaign


def rewrite_campaign(  # noqa: PLR0913 - the fields of a campaign
    *,
    campaign_id: int,
    sender: Sender,
    template: Template,
    name: str,
    audience: dict[str, Any],
    actor: str,
) -> Campaign:
    """Replaces all of a draft. Raises as `create_campaign` does, and as `_draft_to_change`."""
    rules.parse(audience)
    with transaction.atomic():
        campaign = _draft_to_change(campaign_id, actor)
        campaign.sender, campaign.template = sender, template
        campaign.name, campaign.audience = name, audience
        _save_valid(campaign)
    log.info("campaign_rewritten", campaign=campaign_id)
    return campaign


def change_details(*, campaign_id: int, name: str, sender: Sender, actor: str) -> Campaign:
    """Name and sender of a draft. Raises `InvalidCampaignError` and as `_draft_to_change`."""
    with transaction.atomic():
        campaign = _draft_to_change(campaign_id, actor)
        if sender.brand_id != campaign.brand_id:
            raise InvalidCampaignError("sender: it belongs to another brand; choose one of this.")
        campaign.name, campaign.sender = name, sender
        _save_valid(campaign)
    return campaign


def change_audience(*, campaign_id: int, audience: dict[str, Any], actor: str) -> Campaign:
    """The rules of a draft. Raises `InvalidAudienceError` and as `_draft_to_change`."""
    rules.parse(audience)
    with transaction.atomic():
        campaign = _draft_to_change(campaign_id, actor)
        campaign.audience = audience
        _save_valid(campaign)
    return campaign


def change_content(*, campaign_id: int, subject: str, html: str, text: str, actor: str) -> Campaign:
    """Subject and texts: those of its template, and so of all drafts that use the same one.

    Raises `InvalidCampaignError`, and `ScheduledError` where one of them is scheduled.
    """
    with transaction.atomic():
        campaign = _draft_to_change(campaign_id, actor)
        _save_valid(campaign)
        campaign.template = write_template(
            brand=campaign.brand,
            slug=campaign.template.slug,
            subject=subject,
            html=html,
            text=text,
            actor=actor,
        )
    return campaign


def delete_draft(*, campaign_id: int, actor: str) -> None:
    """With its approvals and dry runs; the template stays. Raises as `_draft_to_change`."""
    with transaction.atomic():
        campaign = _draft_to_change(campaign_id, actor)
        dry_running.delete_dry_runs(campaign_id=campaign_id)
        campaign.delete()
    log.info("campaign_deleted", campaign=campaign_id, by=actor)


def duplicate_campaign(*, campaign_id: int, actor: str) -> Campaign:
    """A new draft with all of the other's rules and texts; launched or not, that one stays as is.

    The template is duplicated too, so that writing on in the one does not change the other. A
    launched campaign's texts are those that went out.
    """
    original = Campaign.objects.with_parts().get(pk=campaign_id)
    name = f"Copy of {original.name}"[:NAME_LIMIT]
    slug = free_slug(original.brand, name)
    texts = original.mailing.content if original.mailing else original.template
    with transaction.atomic():
        template = write_template(
            brand=original.brand,
            slug=slug,
            subject=texts.subject,
            html=texts.html,
            text=texts.text,
            actor=actor,
        )
        return create_campaign(
            brand=original.brand,
            sender=original.sender,
            template=template,
            name=name,
            audience=original.audience,
            slug=slug,
            actor=actor,
        )


def free_slug(brand: Brand, name: str) -> str:
    """One that neither a campaign nor a template of the brand has: `sale`, else `sale-2`."""
    base = slug_from(name) or "campaign"
    begins = {"brand": brand, "slug__startswith": base[: SLUG_LIMIT - 5]}
    taken = {
        *Campaign.objects.filter(**begins).values_list("slug", flat=True),
        *Template.objects.filter(**begins).values_list("slug", flat=True),
    }
    numbered = (f"{base[: SLUG_LIMIT - 5]}-{number}" for number in itertools.count(2))
    return next(slug for slug in itertools.chain([base], numbered) if slug not in taken)


def write_template(  # noqa: PLR0913 - the fields of a template
    *, brand: Brand, slug: str, subject: str, html: str, text: str, actor: str
) -> Template:
    """Makes the template, or changes the one of that slug; what was launched keeps its own copy.

    `actor` becomes an author of all drafts that use it. Raises `InvalidCampaignError`, and
    `ScheduledError` where a campaign that uses it is scheduled.
    """
    with transaction.atomic():
        template = Template.objects.filter(brand=brand, slug=slug).first() or Template(
            brand=brand, slug=slug
        )
        if template.pk:
            _claim_authorship(template, actor)
        template.subject, template.html, template.text = subject, html, text
        _save_valid(template)
    return template


def _claim_authorship(template: Template, actor: str) -> None:
    drafts = Campaign.objects.drafts().filter(template=template)
    locked = list(drafts.select_for_update(no_key=True).order_by("pk"))
    scheduling.refuse_if_scheduled(drafts)
    for draft in locked:
        if actor not in draft.authors:
            Campaign.objects.filter(pk=draft.pk).update(authors=[*draft.authors, actor])


def _draft_to_change(campaign_id: int, actor: str) -> Campaign:
    """Locked, with `actor` among its authors. Raises `AlreadyLaunched` and `ScheduledError`."""
    campaigns = Campaign.objects.select_for_update(no_key=True, of=("self",))
    campaign = campaigns.select_related("brand", "template").get(pk=campaign_id)
    if campaign.mailing_id is not None:
        raise AlreadyLaunched(f"Campaign {campaign_id} was launched: make a new one.")
    scheduling.refuse_if_scheduled(Campaign.objects.filter(pk=campaign_id))
    if actor not in campaign.authors:
        campaign.authors = [*campaign.authors, actor]
    return campaign


def find_campaign(reference: str) -> Campaign:
    """By id, by slug, or by `brand/slug` where several brands use the slug; one query.

    Raises `UnknownCampaignError`.
    """
    campaigns = Campaign.objects.with_parts()
    brand, _, slug = reference.rpartition("/")
    if _ID.fullmatch(reference):
        campaigns = campaigns.filter(pk=int(reference))
    elif brand:
        campaigns = campaigns.filter(brand__slug=brand, slug=slug)
    else:
        campaigns = campaigns.filter(slug=slug)
    found = list(campaigns[:2])
    if not found:
        raise UnknownCampaignError(
            f"There is no campaign {reference!r}: give an id or slug that “campaign list” shows."
        )
    if len(found) > 1:
        raise UnknownCampaignError(
            f"Several brands have a campaign {reference!r}: write brand/{reference}, or its id."
        )
    return found[0]


def find_sender(brand: Brand, email: str) -> Sender:
    """The brand's sender of that address, or its default for "". Raises `InvalidCampaignError`."""
    senders = Sender.objects.select_related("account", "brand").filter(brand=brand)
    found = senders.filter(email__iexact=email) if email else senders.filter(is_default=True)
    sender = found.first()
    if sender is None:
        known = ", ".join(senders.order_by("pk").values_list("email", flat=True))
        raise InvalidCampaignError(
            f"sender: the brand {brand.slug} has no sender {email or 'that is its default'};"
            f" there are: {known or 'none yet'}."
        )
    return sender


def slug_from(name: str) -> str:
    """Letters beyond ASCII have no place in a slug; "" where nothing is left."""
    slug = slugify(name)[:SLUG_LIMIT].strip("-")
    return f"campaign-{slug}"[:SLUG_LIMIT] if slug.isdecimal() else slug


def _save_valid(row: Campaign | Template) -> None:
    try:
        row.full_clean()
        row.save()
    except ValidationError as error:
        raise InvalidCampaignError(_in_words(error)) from error
    except IntegrityError as error:
        raise InvalidCampaignError("Somebody else saved the same a moment ago.") from error


def _in_words(error: ValidationError) -> str:
    return " ".join(
        f"{field}: {' '.join(messages)}" for field, messages in error.message_dict.items()
    )
