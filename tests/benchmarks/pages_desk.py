"""What the benchmark of pages does inside a station's desk, where Django is set up."""

from __future__ import annotations

import html
import re
import statistics
import time
from http import HTTPStatus
from typing import Any

from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.brands.models import Sender
from apps.campaigns.models import Campaign
from apps.contacts.eligibility import MailClass
from apps.contacts.models import Contact
from apps.mail import mailings
from apps.mail.models import Mailing, Template
from apps.mail.results import progress

ROUNDS = 3
# Of a hundred people five have unsubscribed; in every tenth batch one mail failed; four in ten of
# the others opened.
_BATCHES = """
INSERT INTO mail_batch (id, account_id, mailing_id, state, month, size, sent, failed, key,
                        key_made_at, digest, settled_at)
OVERRIDING SYSTEM VALUE
SELECT %(mailing)s * 1000000 + n, %(account)s, %(mailing)s,
       CASE WHEN n < %(called)s THEN 'settled' ELSE 'planned' END, %(month)s, 95,
       CASE WHEN n < %(called)s THEN 95 - (n %% 10 = 0)::int ELSE 0 END,
       CASE WHEN n < %(called)s THEN (n %% 10 = 0)::int ELSE 0 END,
       %(mailing)s || 'key' || n, now(), '\\x00',
       CASE WHEN n < %(called)s THEN now() - interval '1 hour' END
  FROM generate_series(0, %(people)s / 100 - 1) n
"""
_PAGES = """
INSERT INTO mail_audiencepage (mailing_id, after_contact, until_contact, planned, skipped)
SELECT %(mailing)s, n, n + 1, 9500, '{"unsubscribed": 500}'
  FROM generate_series(0, %(people)s / 10000 - 1) n
"""
_MESSAGES = """
INSERT INTO mail_message (month, mailing_id, contact_id, batch_id, address, state, reason,
                          provider_id, delivery, delivery_at, opened_at, settled_at)
SELECT %(month)s, %(mailing)s, id, CASE WHEN NOT skipped THEN %(mailing)s * 1000000 + n / 100 END,
       address, state, CASE state WHEN 'skipped' THEN 'unsubscribed' WHEN 'failed' THEN 'refused'
                                  ELSE '' END,
       CASE WHEN state = 'sent' THEN gen_random_uuid()::text ELSE '' END,
       CASE WHEN state = 'sent' THEN 30 ELSE 0 END,
       CASE WHEN state = 'sent' THEN now() END,
       CASE WHEN state = 'sent' AND n %% 10 < 4 THEN now() END,
       CASE WHEN state <> 'pending' THEN now() END
  FROM (SELECT id, address, n, n %% 20 = 3 AS skipped,
               CASE WHEN n %% 20 = 3 THEN 'skipped'
                    WHEN n / 100 >= %(called)s THEN 'pending'
                    WHEN n %% 1000 = 7 THEN 'failed' ELSE 'sent' END AS state
          FROM (SELECT id, address, id - %(first)s AS n FROM contacts_contact
                 WHERE id >= %(first)s ORDER BY id LIMIT %(people)s) contact) planned
"""
_FIGURES = """
INSERT INTO mail_dailyfigure (brand_id, mailing_id, day, kind, reason, number)
SELECT %(brand)s, %(mailing)s, current_date - n, kind, '', 30000
  FROM generate_series(0, 29) n,
       unnest(ARRAY['sent', 'failed', 'delivered', 'opened', 'clicked', 'bounced']) kind
"""


def fill(*, sender: int, campaigns: int) -> None:
    """Campaigns to everybody; all but the last are over, and that is half done."""
    found = Sender.objects.get(pk=sender)
    template = Template.objects.create(brand_id=found.brand_id, slug="t", subject="s", html="h")
    people = Contact.objects.count()
    first = Contact.objects.order_by("pk").values_list("pk", flat=True)[0]
    for number in range(1, campaigns + 1):
        mailing = _mailing(found, f"Campaign {number}")
        _campaign(found, template, mailing)
        is_last = number == campaigns
        params: dict[str, Any] = {
            "mailing": mailing.pk, "account": mailing.account_id, "month": mailing.month,
            "brand": found.brand_id, "people": people, "first": first,
            "called": people // 100 // (2 if is_last else 1),
        }  # fmt: skip
        with connection.cursor() as cursor:
            for statement in (_BATCHES, _PAGES, _MESSAGES, _FIGURES):
                cursor.execute(statement, params)
        over = {} if is_last else {"state": "completed", "completed_at": timezone.now()}
        Mailing.objects.filter(pk=mailing.pk).update(audience_completed_at=timezone.now(), **over)
    with connection.cursor() as cursor:
        for table in ("mail_message", "mail_batch", "mail_audiencepage", "mail_dailyfigure",
                      "contacts_contact"):  # fmt: skip
            cursor.execute(f"VACUUM (ANALYZE) {table}")  # as autovacuum would have


def _mailing(sender: Sender, name: str) -> Mailing:
    return mailings.create_bulk_mailing(
        name=name, sender=sender, mail_class=MailClass.COMMERCIAL, subject="s", html="h", text=""
    )


def _campaign(sender: Sender, template: Template, mailing: Mailing) -> None:
    Campaign.objects.create(
        brand_id=sender.brand_id, slug=f"campaign-{mailing.pk}", name=mailing.name, sender=sender,
        template=template, audience={"everyone": True}, mailing=mailing,
        launched_at=timezone.now(), launched_by="the harness", frozen_references={},
    )  # fmt: skip


def time_pages() -> dict[str, float]:
    """Milliseconds of each page, the median of three after a first look."""
    client = _client()
    return {name: _timed(client, address) for name, address in _addresses(client).items()}


def _client() -> Client:
    user = get_user_model().objects.create_superuser("bench", password="x")
    client = Client(headers={"host": "localhost"})
    client.force_login(user)
    return client


def _addresses(client: Client) -> dict[str, str]:
    over, running = (Campaign.objects.order_by("pk").first(), Campaign.objects.latest("pk"))
    if over is None or over.mailing is None:
        raise RuntimeError("there is no campaign to look at: no figure counts")
    recipients = reverse("admin:mail_mailing_recipients", args=[over.mailing.pk])
    later = recipients
    for _ in range(3):
        later = recipients + _next(client.get(later).content.decode())
    contact = Contact.objects.latest("pk")
    contacts = reverse("admin:contacts_contact_changelist")
    return {
        "home": "/admin/",
        "campaign under way": reverse("admin:campaigns_campaign_watch", args=[running.pk]),
        "campaign that is over": reverse("admin:campaigns_campaign_watch", args=[over.pk]),
        "recipients": recipients,
        "recipients, a later page": later,
        "recipients that failed": f"{recipients}?state=failed",
        "recipients that were skipped": f"{recipients}?state=skipped",
        "recipients of a state and reason that nobody has": f"{recipients}?state=sent&reason=x",
        "recipients by address": f"{recipients}?q=person77",
        "one recipient by address": f"{recipients}?q={contact.address}",
        "a person": reverse("admin:contacts_contact_change", args=[contact.pk]),
        "list of mailings": reverse("admin:mail_mailing_changelist"),
        "list of campaigns": reverse("admin:campaigns_campaign_changelist"),
        "list of contacts": contacts,
        "contacts who left": f"{contacts}?status__exact=unsubscribed",
        "contacts by beginning of address": f"{contacts}?q=person77",
        "list of suppressions": reverse("admin:contacts_suppression_changelist"),
    }


def _next(page: str) -> str:
    found = re.search(r'href="([^"]*)" rel="next"', page)
    if found is None:
        raise RuntimeError("the list has no next page: no figure counts")
    return html.unescape(found[1])


def _timed(client: Client, address: str) -> float:
    if client.get(address).status_code != HTTPStatus.OK:
        raise RuntimeError(f"{address} did not answer: no figure counts")
    took = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        client.get(address)
        took.append((time.perf_counter() - started) * 1000)
    return statistics.median(took)


def read_progress() -> float | None:
    """Milliseconds of one read of the newest mailing's progress; None where nothing runs."""
    mailing = Mailing.objects.running().filter(kind=Mailing.Kind.BULK).order_by("-pk").first()
    if mailing is None:
        return None
    started = time.perf_counter()
    progress(mailing)
    return (time.perf_counter() - started) * 1000
