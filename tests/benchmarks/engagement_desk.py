"""What the benchmarks of engagement do inside a station's desk, where Django is set up."""

from __future__ import annotations

import threading
import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection, connections
from django.test.utils import CaptureQueriesContext

from apps.brands.models import Sender
from apps.newsletter.engagement import recomputing
from apps.newsletter.models import Recomputation, ScoreChange, ScoreRule, SegmentWish, Tier
from apps.newsletter.pulse import storing, taking
from tests.factories.mail import MailingFactory

MAILS = 10
_AROUND = ("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE")
CALL = 5_000

# Everybody got ten mails and read some of them; one of five clicked in one.
_MAILS = """
INSERT INTO mail_message (month, mailing_id, contact_id, address, state, delivery, delivery_at,
                          opened_at, clicked_at, settled_at)
SELECT %(month)s, %(mailing)s, id, address, 'sent', 30, now(),
       CASE WHEN (id + %(turn)s) %% 3 = 0 THEN now() - interval '1 hour' * %(turn)s END,
       CASE WHEN %(turn)s = 1 AND id %% 5 = 0 THEN now() - interval '30 minutes' END, now()
  FROM contacts_contact
"""
_INTERACTIONS = """
INSERT INTO newsletter_interaction (month, brand_id, contact_id, kind, event_id, occurred_at)
SELECT date_trunc('month', at AT TIME ZONE 'UTC')::date, brand_id, id, 'visited',
       gen_random_uuid()::text, at
  FROM contacts_contact
 CROSS JOIN LATERAL generate_series(1, 10) turn
 CROSS JOIN LATERAL (SELECT now() - interval '7 hours' * turn - interval '1 second' * (id % 999)
                         AS at) happened
"""


def recompute(*, sender: int) -> dict[str, Any]:
    """Seconds, statements and what was left behind."""
    chosen = Sender.objects.get(pk=sender)
    brand = chosen.brand
    with connection.cursor() as cursor:
        for turn in range(1, MAILS + 1):
            mailing = MailingFactory.create(sender=chosen, name=f"bench {turn}")
            cursor.execute(_MAILS, {"month": mailing.month, "mailing": mailing.pk, "turn": turn})
        cursor.execute(_INTERACTIONS)
        cursor.execute("ANALYZE")
    for signal, points, half_life in (("opened", 5, None), ("clicked", 10, None),
                                      ("visited", 3, 14), ("joined", 1, None)):  # fmt: skip
        ScoreRule.objects.create(
            brand=brand, signal=signal, points=points, half_life_days=half_life
        )
    for slug, least in (("cold", 0), ("warm", 30), ("hot", 45)):
        Tier.objects.create(
            brand=brand, slug=slug, name=slug, min_score=least, segment_id=f"seg_{slug}"
        )
    first = _run(brand.pk)
    wishes, records = SegmentWish.objects.count(), ScoreChange.objects.count()
    with connection.cursor() as cursor:
        cursor.execute("SELECT sum(version) FROM newsletter_segmentwish")
        versions = cursor.fetchone()[0]
        again = _run(brand.pk)
        cursor.execute("SELECT sum(version) FROM newsletter_segmentwish")
        later = cursor.fetchone()[0]
    return {
        **first,
        "wishes": wishes,
        "records": records,
        "again_seconds": again["seconds"],
        "again_wishes": int(later - versions),
    }


def _run(brand_id: int) -> dict[str, Any]:
    run = recomputing.start(brand_id=brand_id, cause=ScoreChange.Cause.COMMAND)
    started, statements = time.perf_counter(), 0
    while True:
        with CaptureQueriesContext(connection) as caught:
            page = recomputing.advance_page(run_id=run.pk)
        if page is None:
            break
        if page.contacts:
            statements = max(
                statements,
                sum(not one["sql"].startswith(_AROUND) for one in caught.captured_queries),
            )
    seconds = time.perf_counter() - started
    done = Recomputation.objects.get(pk=run.pk)
    return {"seconds": seconds, "moved": done.moved, "statements_per_page": statements}


def take_interactions(*, brand: int, number: int, size: int = CALL) -> dict[str, float]:
    """Keeps so many interactions in calls, as the route does."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT min(id), max(id) FROM contacts_contact")
        low, high = cursor.fetchone()
    now = datetime.now(tz=UTC)
    took = 0.0
    for start in range(0, number, size):
        told = [
            {
                "id": uuid.uuid4().hex,
                "kind": ("visited", "replied", "downloaded")[n % 3],
                "contact": low + (n * 7919) % (high - low + 1),
                "subject": f"/pages/{n % 500}",
                "occurred_at": (now - timedelta(seconds=n % 86_400)).isoformat(),
            }
            for n in range(start, start + size)
        ]
        begun = time.perf_counter()
        taking.take(brand_id=brand, interactions=told)
        took += time.perf_counter() - begun
    return {"ms_per_call": took / (number / size) * 1000}


def store_all(*, workers: int) -> float:
    """Seconds until nothing waits; so many workers at it."""

    def work() -> None:
        while storing.store_interactions():
            pass
        connections.close_all()

    threads = [threading.Thread(target=work) for _ in range(workers)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - started
