"""Brands and their senders, as they are entered."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
from django.db import transaction

from apps.brands.errors import UnknownBrandError
from apps.brands.models import Brand, Sender
from apps.brands.saving import save_valid

if TYPE_CHECKING:
    from apps.brands.models import ProviderAccount

log = structlog.get_logger(__name__)


def add_brand(  # noqa: PLR0913 - the fields of a brand
    *,
    slug: str,
    name: str,
    postal_address: str = "",
    website: str = "",
    timezone: str = "UTC",
    locale: str = "en",
) -> Brand:
    """Raises `InvalidBrandError` naming each field that is wrong."""
    brand = Brand(
        slug=slug,
        name=name,
        postal_address=postal_address,
        website=website,
        timezone=timezone,
        locale=locale,
    )
    save_valid(brand)
    log.info("brand_added", brand=brand.pk)
    return brand


def add_sender(  # noqa: PLR0913 - the fields of a sender
    *,
    brand: Brand,
    account: ProviderAccount,
    name: str,
    email: str,
    reply_to: str = "",
    is_default: bool = False,
) -> Sender:
    """A brand's first sender, or one added as `is_default`, becomes its default.

    Raises `InvalidBrandError` naming each field that is wrong.
    """
    sender = Sender(brand=brand, account=account, name=name, email=email, reply_to=reply_to)
    with transaction.atomic():
        Brand.objects.select_for_update(no_key=True).get(pk=brand.pk)
        others = Sender.objects.filter(brand=brand, is_default=True)
        if is_default:
            others.update(is_default=False)
        sender.is_default = is_default or not others.exists()
        save_valid(sender)
    log.info("sender_added", sender=sender.pk, brand=brand.pk)
    return sender


def make_default(*, sender_id: int) -> None:
    """The sender is its brand's default from now on, and no other is."""
    with transaction.atomic():
        sender = Sender.objects.get(pk=sender_id)
        Brand.objects.select_for_update(no_key=True).get(pk=sender.brand_id)
        Sender.objects.filter(brand_id=sender.brand_id, is_default=True).exclude(
            pk=sender_id
        ).update(is_default=False)
        Sender.objects.filter(pk=sender_id).update(is_default=True)
    log.info("default_sender_chosen", sender=sender_id, brand=sender.brand_id)


def find_brand(slug: str) -> Brand:
    """Raises `UnknownBrandError`, which lists the brands there are."""
    try:
        return Brand.objects.get(slug=slug)
    except Brand.DoesNotExist:
        known = ", ".join(Brand.objects.order_by("slug").values_list("slug", flat=True))
        raise UnknownBrandError(
            f"There is no brand {slug!r}; there are: {known or 'none yet'}."
        ) from None
