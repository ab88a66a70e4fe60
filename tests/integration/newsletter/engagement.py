"""People who did things, for tests of what that is worth."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from django.db import connection

from apps.newsletter.models import ScoreRule, Tier
from tests.factories.brands import BrandFactory, SenderFactory
from tests.factories.mail import MailingFactory

if TYPE_CHECKING:
    from apps.brands.models import Brand
    from apps.mail.models import Mailing

_PEOPLE = """
INSERT INTO contacts_contact (brand_id, email, address, status, status_changed_at)
SELECT %s, 'p' || n || '@people.example', 'p' || n || '@people.example', 'subscribed',
       now() - interval '200 days'
  FROM (SELECT nextval('contacts_contact_id_seq') AS n FROM generate_series(1, %s)) numbers
RETURNING id
"""


@dataclass(frozen=True)
class Club:
    """A brand with three tiers and four rules.

    Opened 5 (at most 20), clicked 10, visited 4 (halves in 10 days), complained -50.
    """

    brand: Brand
    mailing: Mailing

    def people(self, number: int) -> list[int]:
        """Subscribed so long ago that it counts nothing."""
        with connection.cursor() as cursor:
            cursor.execute(_PEOPLE, [self.brand.pk, number])
            return [row[0] for row in cursor.fetchall()]

    def mail(
        self,
        contact: int,
        *,
        opened: float | None = None,
        clicked: float | None = None,
        complained: float | None = None,
        machine: float | None = None,
    ) -> None:
        """A mail, and how many days ago things happened to it; each in a mailing of its own."""
        mailing = MailingFactory.create(
            sender=self.mailing.sender, month=self.mailing.month, name=f"to {contact}"
        )
        moments = [None if days is None else ago(days) for days in
                   (opened, clicked, complained, machine)]  # fmt: skip
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO mail_message (month, mailing_id, contact_id, address, state,"
                " settled_at, opened_at, clicked_at, delivery, delivery_at, machine_opened_at)"
                " VALUES (%s, %s, %s, 'x@people.example', 'sent', now(), %s, %s, %s, %s, %s)",
                [mailing.month, mailing.pk, contact, *moments[:2], 50 if moments[2] else 30,
                 moments[2] or ago(100), moments[3]],
            )  # fmt: skip

    def interaction(self, contact: int | None, kind: str, *, days: float = 1) -> None:
        at = ago(days)
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO newsletter_interaction"
                " (month, brand_id, contact_id, kind, event_id, occurred_at)"
                " VALUES (date_trunc('month', %s::timestamptz AT TIME ZONE 'UTC'), %s, %s, %s,"
                "         gen_random_uuid()::text, %s)",
                [at, self.brand.pk, contact, kind, at],
            )


def ago(days: float) -> datetime:
    return datetime.now(tz=UTC) - timedelta(days=days)


def make_club() -> Club:
    brand = BrandFactory.create()
    sender = SenderFactory.create(brand=brand)
    for slug, least, segment in (("cold", 0, ""), ("warm", 10, "seg_warm"), ("hot", 30, "seg_hot")):
        Tier.objects.create(brand=brand, slug=slug, name=slug, min_score=least, segment_id=segment)
    for signal, points, more in (
        ("opened", 5, {"most_points": 20}),
        ("clicked", 10, {}),
        ("visited", 4, {"half_life_days": 10}),
        ("complained", -50, {}),
    ):
        ScoreRule.objects.create(brand=brand, signal=signal, points=points, **more)
    return Club(brand, MailingFactory.create(sender=sender))
