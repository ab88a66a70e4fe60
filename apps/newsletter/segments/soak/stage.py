"""What a soak needs: a brand of its own with tiers and their segments, at an account."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db import transaction

from apps.brands.models import Brand, ProviderAccount, Sender
from apps.mail.sending import Door
from apps.newsletter.models import JoiningRules, ManagedSegment, Tier
from apps.queues.limiting import CallClass, Held

if TYPE_CHECKING:
    from collections.abc import Mapping

SLUG = "segment-soak"
DRY_SLUG = "segment-soak-dry"
TIERS = (("bronze", 0), ("silver", 30), ("gold", 60))


class SoakError(Exception):
    """The soak cannot begin; the text says what is missing."""


@dataclass(frozen=True)
class Stage:
    """`segments` are the provider's ids by tier; of a score, the tier is the highest it reaches."""

    brand: Brand
    account: ProviderAccount
    segments: Mapping[str, str]

    def tier_of(self, score: int) -> str:
        return [slug for slug, least in TIERS if score >= least][-1]

    def segment_of(self, score: int) -> str:
        return self.segments[self.tier_of(score)]


def set_up(*, account_name: str = "", dry: bool) -> Stage:
    """The stage, made once and used again by later runs. Raises `SoakError`.

    For a dry run the account is a stopped one, so that no worker of the station asks it.
    """
    account = _dry_account() if dry else _account(account_name)
    slug = DRY_SLUG if dry else SLUG
    segments = {} if dry else _segments_there(account)
    with transaction.atomic():
        brand, _ = Brand.objects.get_or_create(
            slug=slug, defaults={"name": "Segment soak", "postal_address": "1 Test Street, Town"}
        )
        email = f"soak@{slug}.example"
        Sender.objects.get_or_create(
            brand=brand, email=email, defaults={"account": account, "name": "Soak",
                                                "is_default": True},
        )  # fmt: skip
        Sender.objects.filter(brand=brand).update(account=account)
        JoiningRules.objects.update_or_create(brand=brand, defaults={"double_opt_in": False})
        for name, least in TIERS:
            segments.setdefault(name, f"dry-{name}")
            _mark(brand, account, name, least, segments[name])
    return Stage(brand, account, segments)


def _mark(brand: Brand, account: ProviderAccount, name: str, least: int, segment_id: str) -> None:
    Tier.objects.update_or_create(
        brand=brand,
        slug=name,
        defaults={"name": name.title(), "min_score": least, "segment_id": segment_id},
    )
    ManagedSegment.objects.get_or_create(
        account=account, brand=brand, segment_id=segment_id, defaults={"name": f"Soak {name}"}
    )


def _account(name: str) -> ProviderAccount:
    accounts = ProviderAccount.objects.active().filter(kind=ProviderAccount.Kind.RESEND)
    found = list(accounts.filter(name=name) if name else accounts.order_by("pk")[:2])
    if not found:
        raise SoakError("There is no active Resend account of this name: see `manage.py account`.")
    if len(found) > 1:
        raise SoakError("There are several Resend accounts: name one with --account.")
    return found[0]


def _dry_account() -> ProviderAccount:
    account, _ = ProviderAccount.objects.get_or_create(
        name=DRY_SLUG,
        defaults={"api_key": "re_dry_run", "rate_limit": 5.0, "stopped_reason": "for dry runs",
                  "stopped_at": "2000-01-01T00:00:00Z"},
    )  # fmt: skip
    return account


def _segments_there(account: ProviderAccount) -> dict[str, str]:
    """Those of the last run, or new ones made at the provider."""
    known = ManagedSegment.objects.filter(account=account, brand__slug=SLUG)
    found = {one.name.removeprefix("Soak "): one.segment_id for one in known}
    for name, _ in TIERS:
        if name not in found:
            found[name] = _create_segment(account, f"Soak {name}")
    return found


def _create_segment(account: ProviderAccount, name: str) -> str:
    door = Door.of(account)
    while not isinstance(slot := door.limiter.reserve(5_000, call_class=CallClass.SINGLE), Held):
        if slot.wait():
            reply = door.client.contacts.create_segment(name)
            door.follow(reply.rate)
            return reply.value
    raise SoakError("The account's limiter has no slot to make segments with: try again later.")
