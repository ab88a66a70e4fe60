"""Drafts: made, found again, and rewritten until they are launched."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import structlog
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils.text import slugify

from apps.brands.models import Sender
from apps.campaigns import audience as rules
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
_ID = re.compile(r"[0-9]{1,18}")  # fits a bigint


def create_campaign(  # noqa: PLR0913 - the fields of a campaign
    *,
    brand: Brand,
    sender: Sender,
    template: Template,
    name: str,
    audience: dict[str, Any],
    slug: str = "",
) -> Campaign:
    """A draft; the slug is made from the name where none is given.

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
    )
    _save_valid(campaign)
    log.info("campaign_created", campaign=campaign.pk, brand=brand.pk)
    return campaign


def rewrite_campaign(
    *, campaign_id: int, sender: Sender, template: Template, name: str, audience: dict[str, Any]
) -> Campaign:
    """Replaces all of a draft. Raises as `create_campaign` does, and `AlreadyLaunched`."""
    rules.parse(audience)
    with transaction.atomic():
        campaign = Campaign.objects.select_for_update(no_key=True).get(pk=campaign_id)
        if campaign.mailing_id is not None:
            raise AlreadyLaunched(f"Campaign {campaign_id} was launched: make a new one.")
        campaign.sender, campaign.template = sender, template
        campaign.name, campaign.audience = name, audience
        _save_valid(campaign)
    log.info("campaign_rewritten", campaign=campaign_id)
    return campaign


def write_template(*, brand: Brand, slug: str, subject: str, html: str, text: str) -> Template:
    """Makes the template, or changes the one of that slug; what was launched keeps its own copy."""
    template = Template.objects.filter(brand=brand, slug=slug).first() or Template(
        brand=brand, slug=slug
    )
    template.subject, template.html, template.text = subject, html, text
    _save_valid(template)
    return template


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
