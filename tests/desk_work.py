"""What a station's desk does for its harness; imported in the desk's process only."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.core.management import call_command

from apps.brands.models import Brand, ProviderAccount, Sender
from apps.campaigns import launching
from apps.campaigns.models import Campaign
from apps.mail.models import Template
from apps.station import ledger

if TYPE_CHECKING:
    from collections.abc import Mapping


def migrate() -> None:
    call_command("migrate", verbosity=0, interactive=False)


def create_brand(
    *, slug: str, domain: str, api_key: str, webhook_token: str, webhook_secret: str
) -> dict[str, int]:
    """A brand that may send: postal address, account, sender. Returns the three ids."""
    brand = Brand.objects.create(
        slug=slug,
        name=f"The {slug.title()} Company",
        postal_address="1 Harbour Street, 20457 Hamburg, Germany",
        website=f"https://{domain}",
    )
    account = ProviderAccount.objects.create(
        name=slug, api_key=api_key, webhook_token=webhook_token, webhook_secret=webhook_secret
    )
    sender = Sender.objects.create(
        brand=brand, account=account, name="The Editors", email=f"news@{domain}", is_default=True
    )
    return {"brand": brand.pk, "account": account.pk, "sender": sender.pk}


def create_campaign(  # noqa: PLR0913 - the parts of a campaign, each named by its caller
    *, sender: int, name: str, subject: str, html: str, text: str, audience: Mapping[str, Any]
) -> int:
    found = Sender.objects.get(pk=sender)
    template = Template.objects.create(
        brand_id=found.brand_id,
        slug=f"template-{Template.objects.count() + 1}",
        subject=subject,
        html=html,
        text=text,
    )
    campaign = Campaign.objects.create(
        brand_id=found.brand_id,
        slug=template.slug,
        sender=found,
        template=template,
        name=name,
        audience=audience,
    )
    return campaign.pk


def launch(*, campaign: int) -> int:
    """Launch a campaign; returns the id of its mailing."""
    mailing = launching.launch(campaign_id=campaign, by="the harness").mailing_id
    if mailing is None:
        raise RuntimeError(f"campaign {campaign} was launched without a mailing")
    return mailing


def compare(*, mailing: int, log: str) -> ledger.Comparison:
    return ledger.compare(mailing, ledger.read_log(Path(log)))
