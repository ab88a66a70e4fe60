"""Comparing all wishes of a brand with the provider: who is in which managed segment there.

It lists the members of each segment, 100 a call, instead of asking for each contact. Where it
stands is kept after every page, so that what was stopped goes on there.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db import connection, transaction
from django.db.models.functions import Now

from apps.contacts.addresses import normalise
from apps.contacts.errors import InvalidAddressError
from apps.mail.sending import Door
from apps.newsletter.models import ManagedSegment, SegmentSync, Tier
from apps.newsletter.segments.asking import Asker
from apps.newsletter.segments.errors import NoAccountError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from apps.brands.models import Brand, ProviderAccount
    from apps.mail.resend.contacts import Member

PAGE = 10_000


@dataclass(frozen=True)
class Seen:
    """`members` were listed, of whom `strangers` have no wish here."""

    segments: int
    members: int
    strangers: int


def account_of(brand: Brand) -> ProviderAccount:
    """Where the brand's contacts are told. Raises `NoAccountError`."""
    senders = brand.senders.select_related("account").filter(account__kind="resend")
    sender = senders.order_by("-is_default", "pk").first()
    if sender is None:
        raise NoAccountError(f"The brand {brand.slug} has no sender at a Resend account: add one.")
    return sender.account


def managed_segments(brand: Brand, account: ProviderAccount) -> list[str]:
    marked = ManagedSegment.objects.filter(brand=brand, account=account)
    tiers = Tier.objects.filter(brand=brand).exclude(segment_id="")
    return sorted(
        {*marked.values_list("segment_id", flat=True), *tiers.values_list("segment_id", flat=True)}
    )


def compare(*, brand: Brand, asker: Asker | None = None, tell: Callable[[int, int], None]) -> Seen:
    """Notes in every wish what the provider has; `tell(segment, members)` after each page.

    An unfinished run of the brand goes on. Raises `NoAccountError` and what the calls raise.
    """
    account = account_of(brand)
    run = start(brand, account, SegmentSync.Kind.COMPARE)
    asker = asker or Asker(Door.of(account))
    segments = managed_segments(brand, account)
    counts = Counter[str](run.counts)
    first = int(run.position.get("segment", 0))
    for number, segment_id in enumerate(segments[first:], start=first):
        after = str(run.position.get("after", "")) if number == first else ""
        for page in asker.member_pages(segment_id, after=after):
            with transaction.atomic():
                known = _note_members(run, segment_id, page.members)
                counts["members"] += len(page.members)
                counts["strangers"] += len(page.members) - known
                run.position = {"segment": number, "after": page.members[-1].id}
                run.counts = dict(counts)
                run.save(update_fields=["position", "counts"])
            tell(number + 1, counts["members"])
        run.position = {"segment": number + 1}
        run.save(update_fields=["position"])
    _note_absent(run)
    finish(run)
    return Seen(len(segments), counts["members"], counts["strangers"])


def start(brand: Brand, account: ProviderAccount, kind: SegmentSync.Kind) -> SegmentSync:
    """The brand's unfinished run of this kind, or a new one."""
    run, _ = SegmentSync.objects.get_or_create(
        brand=brand, kind=kind, finished_at=None, defaults={"account": account}
    )
    run.refresh_from_db()
    return run


def finish(run: SegmentSync) -> None:
    SegmentSync.objects.filter(pk=run.pk).update(finished_at=Now())


_NOTE_MEMBERS = """
UPDATE newsletter_segmentwish wish
   SET seen_segments = CASE WHEN wish.seen_run = %(run)s AND wish.seen_segments IS NOT NULL
                            THEN array_append(array_remove(wish.seen_segments, %(segment)s),
                                              %(segment)s)
                            ELSE ARRAY[%(segment)s] END,
       seen_run = %(run)s, seen_at = %(at)s
  FROM contacts_contact contact
 WHERE contact.brand_id = %(brand)s AND contact.address = ANY(%(addresses)s)
   AND wish.contact_id = contact.id
"""

_NOTE_ABSENT = """
UPDATE newsletter_segmentwish
   SET seen_segments = '{}', seen_run = %(run)s, seen_at = %(at)s
 WHERE contact_id IN (
       SELECT contact_id FROM newsletter_segmentwish
        WHERE brand_id = %(brand)s AND contact_id > %(after)s
        ORDER BY contact_id LIMIT %(size)s)
   AND seen_run IS DISTINCT FROM %(run)s
"""

_PAGE_END = """
SELECT max(contact_id) FROM (
    SELECT contact_id FROM newsletter_segmentwish
     WHERE brand_id = %(brand)s AND contact_id > %(after)s ORDER BY contact_id LIMIT %(size)s) page
"""


def _note_members(run: SegmentSync, segment_id: str, members: Iterable[Member]) -> int:
    """Returns how many of them have a wish here."""
    facts: dict[str, Any] = {"run": run.pk, "at": run.started_at, "brand": run.brand_id}
    facts |= {"segment": segment_id, "addresses": list(_addresses(members))}
    with connection.cursor() as cursor:
        cursor.execute(_NOTE_MEMBERS, facts)
        return int(cursor.rowcount)


def _addresses(members: Iterable[Member]) -> Iterable[str]:
    for member in members:
        try:
            yield normalise(member.email).address
        except InvalidAddressError:
            continue  # nobody of ours


def _note_absent(run: SegmentSync) -> None:
    """Whoever was on no list is in none of the segments. Page by page, to keep locks short."""
    after: int | None = 0
    while after is not None:
        facts: dict[str, Any] = {"brand": run.brand_id, "after": after, "size": PAGE}
        with connection.cursor() as cursor:
            cursor.execute(_NOTE_ABSENT, {**facts, "run": run.pk, "at": run.started_at})
            cursor.execute(_PAGE_END, facts)
            after = cursor.fetchone()[0]
