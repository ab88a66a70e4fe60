"""A brand with an account, a sender and people; what most tests of this room start from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from django.db import connection

from apps.brands.models import Brand, ProviderAccount, Sender
from apps.contacts.eligibility import MailClass
from apps.mail import mailings, planning
from apps.mail.planning import Selection

if TYPE_CHECKING:
    from apps.mail.models import Mailing

SUBJECT = "Hello {{ contact.first_name }}"
HTML = (
    "<html><body><p>Dear {{ contact.first_name }}, your plan is {{ traits.plan }}.</p>"
    '<p>{{ brand.postal_address }} <a href="{{ unsubscribe_url }}">Leave</a></p></body></html>'
)


@dataclass(frozen=True)
class House:
    brand: Brand
    account: ProviderAccount
    sender: Sender

    def add_people(self, number: int, *, start: int = 1, status: str = "subscribed") -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                """
                INSERT INTO contacts_contact (brand_id, email, address, first_name, status, traits)
                SELECT %s, 'p' || n || '@people.test', 'p' || n || '@people.test', 'P' || n, %s,
                       jsonb_build_object('plan', CASE n %% 2 WHEN 0 THEN 'pro' ELSE 'free' END)
                  FROM generate_series(%s, %s) n
                """,
                [self.brand.pk, status, start, start + number - 1],
            )

    def suppress(self, *numbers: int, reason: str = "hard_bounce") -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO contacts_suppression (address, brand_id, reason, origin)"
                " SELECT 'p' || n || '@people.test', NULL, %s, 'operator' FROM unnest(%s) n",
                [reason, list(numbers)],
            )

    def mailing(self, *, name: str = "November", html: str = HTML) -> Mailing:
        return mailings.create_bulk_mailing(
            name=name,
            sender=self.sender,
            mail_class=MailClass.COMMERCIAL,
            subject=SUBJECT,
            html=html,
            text="",
        )

    def planned(self, number: int) -> Mailing:
        """A running mailing to `number` people, planned to the end."""
        self.add_people(number)
        mailing = self.mailing()
        while not planning.plan_page(mailing_id=mailing.pk, selection=Selection()).complete:
            pass
        mailing.refresh_from_db()
        return mailing


@pytest.fixture
def house(db: None) -> House:
    return make_house()


def make_house() -> House:
    brand = Brand.objects.create(slug="acme", name="Acme", postal_address="1 Main Street, Town")
    account = ProviderAccount.objects.create(name="main", api_key="re_test", rate_limit=100_000)
    sender = Sender.objects.create(
        brand=brand, account=account, name="Acme News", email="news@acme.test", is_default=True
    )
    return House(brand, account, sender)
