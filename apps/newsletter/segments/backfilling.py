"""Handing all contacts of a brand to the provider in files, segment by segment.

For a brand whose people the provider does not know yet: one call for thousands, where the queue
would take one each. An import only adds; whoever is in a wrong segment is found by a comparison.
"""

from __future__ import annotations

import csv
import io
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db import connection, transaction

from apps.mail.sending import Door
from apps.newsletter.models import SegmentSync
from apps.newsletter.segments.asking import Asker
from apps.newsletter.segments.errors import ImportFailedError
from apps.newsletter.segments.syncing import account_of, finish, managed_segments, start

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from apps.brands.models import Brand
    from apps.mail.resend import ContactCalls, ImportStatus, Reply

PAGE = 10_000
POLL_SECONDS = 2.0
COLUMNS = {"email": "email", "first_name": "first_name", "last_name": "last_name"}


@dataclass(frozen=True)
class HandedIn:
    """`contacts` were handed in, in `files`; the provider's own counts are in `counts`."""

    contacts: int
    files: int
    counts: dict[str, int]


@dataclass(frozen=True)
class _Person:
    contact_id: int
    address: str
    first_name: str
    last_name: str
    score: int


# Subscribed people whom the provider is not known to have, by the segment of their tier.
_PEOPLE = """
SELECT contact.id, contact.address, contact.first_name, contact.last_name, contact.score
  FROM contacts_contact contact
  LEFT JOIN newsletter_segmentwish wish ON wish.contact_id = contact.id
 WHERE contact.brand_id = %(brand)s AND contact.id > %(after)s
   AND contact.status = 'subscribed' AND contact.erased_at IS NULL
   AND (wish.contact_id IS NULL
        OR (wish.provider_contact_id = '' AND wish.known_segments IS NULL
            AND wish.state <> 'working'))
   AND coalesce(wish.target_segment,
                (SELECT tier.segment_id FROM newsletter_tier tier
                  WHERE tier.brand_id = contact.brand_id AND tier.min_score <= contact.score
                  ORDER BY tier.min_score DESC LIMIT 1), '') = %(segment)s
 ORDER BY contact.id LIMIT %(size)s
"""

# The next change of such a contact lists first: what an import finds there it leaves there.
_NOTE = """
INSERT INTO newsletter_segmentwish AS known
       (contact_id, brand_id, account_id, version, done_version, target_segment, score, mode,
        wished_at)
SELECT contact.id, contact.brand_id, %(account)s, 1, 1, nullif(%(segment)s, ''), contact.score,
       'update', statement_timestamp()
  FROM contacts_contact contact WHERE contact.id = ANY(%(ids)s)
 ORDER BY contact.id
ON CONFLICT (contact_id) DO UPDATE SET mode = 'update'
"""


def backfill(
    *,
    brand: Brand,
    dry_run: bool = False,
    page_size: int = PAGE,
    asker: Asker | None = None,
    tell: Callable[[int, int], None],
) -> HandedIn:
    """Hands in everybody; `tell(done, all)` after each file. A run that was stopped goes on.

    With `dry_run` nothing is asked and nothing written. Raises `NoAccountError`,
    `ImportFailedError` and what the calls raise.
    """
    account = account_of(brand)
    segments = [*managed_segments(brand, account), ""]
    everybody = sum(_count(brand.pk, segment_id) for segment_id in segments)
    if dry_run:
        return HandedIn(everybody, 0, {})
    run = start(brand, account, SegmentSync.Kind.BACKFILL)
    asker = asker or Asker(Door.of(account))
    counts = Counter[str](run.counts)
    first = int(run.position.get("segment", 0))
    for number, segment_id in enumerate(segments[first:], start=first):
        after = int(run.position.get("after", 0)) if number == first else 0
        while people := _people(brand.pk, segment_id, after=after, size=page_size):
            status = _import(asker, people, segment_id)
            counts.update({f"provider_{name}": value for name, value in status.counts.items()})
            counts["contacts"] += len(people)
            counts["files"] += 1
            after = people[-1].contact_id
            with transaction.atomic():
                _note(account.pk, segment_id, people)
                run.position = {"segment": number, "after": after}
                run.counts = dict(counts)
                run.save(update_fields=["position", "counts"])
            tell(counts["contacts"], max(everybody, counts["contacts"]))
        run.position = {"segment": number + 1}
        run.save(update_fields=["position"])
    finish(run)
    prefix = "provider_"
    told = {name.removeprefix(prefix): n for name, n in counts.items() if name.startswith(prefix)}
    return HandedIn(counts["contacts"], counts["files"], told)


def _people(brand_id: int, segment_id: str, *, after: int, size: int) -> list[_Person]:
    facts: dict[str, Any] = {"brand": brand_id, "segment": segment_id, "after": after, "size": size}
    with connection.cursor() as cursor:
        cursor.execute(_PEOPLE, facts)
        return [_Person(*row) for row in cursor.fetchall()]


def _count(brand_id: int, segment_id: str) -> int:
    facts: dict[str, Any] = {"brand": brand_id, "segment": segment_id, "after": 0, "size": None}
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM ({_PEOPLE}) people", facts)
        return int(cursor.fetchone()[0])


def _import(asker: Asker, people: Collection[_Person], segment_id: str) -> ImportStatus:
    file = _csv_of(people)
    segments = [segment_id] if segment_id else []

    def hand_in(calls: ContactCalls) -> Reply[str]:
        return calls.start_import(file, column_map=COLUMNS, segments=segments)

    import_id = asker.ask(hand_in)
    while True:
        status = asker.ask(lambda calls: calls.import_status(import_id))
        if status.status == "completed":
            return status
        if status.status == "failed":
            raise ImportFailedError(f"The provider's import {import_id} failed: see it there.")
        time.sleep(POLL_SECONDS)


def _csv_of(people: Collection[_Person]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    writer.writerows((one.address, one.first_name, one.last_name) for one in people)
    return text.getvalue().encode()


def _note(account_id: int, segment_id: str, people: Collection[_Person]) -> None:
    ids = [one.contact_id for one in people]
    with connection.cursor() as cursor:
        cursor.execute(_NOTE, {"account": account_id, "segment": segment_id, "ids": ids})
