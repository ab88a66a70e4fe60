"""What others wish for a contact at the provider. One row per contact: bursts collapse in it.

**The newest wish** is the one with the latest `at`, and of two with the same `at` the one that was
written later (the higher version). A writer that commits late with an older `at` changes nothing,
so that re-ordered writers end with the last wish. An `at` of the future counts as now.

No wake-up is published: a wish rests for SEGMENT_BURST_MS, so that what follows at once goes with
it, and the sweeper then finds it within a second.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import connection

from apps.newsletter.models.segments import WishMode
from apps.queues.correlation import correlation_id

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from apps.newsletter.models.segments import SegmentWish


def want(
    *, contact_id: int, target_segment: str | None, score: int, mode: str, at: datetime
) -> bool:
    """The contact shall be in `target_segment` and in no other managed segment (None: in none).

    `score` is what the target was chosen by, `mode` one of `WishMode`, `at` when it was chosen.
    Whether it is the newest wish now; also False where the contact does not exist any more.
    """
    parameters: dict[str, Any] = {
        "contact": contact_id,
        "target": target_segment,
        "score": score,
        "mode": WishMode(mode).value,
        "at": at,
        "correlation": correlation_id(),
        "burst": settings.SEGMENT_BURST_MS / 1000,
    }
    with connection.cursor() as cursor:
        cursor.execute(_WANT, parameters)
        return bool(cursor.rowcount)


def want_many_sql(source: str) -> str:
    """A data-modifying statement for a CTE, or to run by itself: wishes for many contacts at once.

    `source` is a SELECT (or the name of a CTE) with the columns `contact_id bigint`,
    `target_segment text` (null: none), `score`, `mode text` ('initial' or 'update'), `at
    timestamptz` and `correlation_id text`; at most one row per contact. Give it only those whose
    wish changes. It returns `contact_id` of the wishes that were taken, and wants one parameter:
    `%(burst)s`, seconds, which is SEGMENT_BURST_MS / 1000 (`burst_seconds()`).

        WITH changed AS (UPDATE … RETURNING …), wished AS ({want_many_sql("changed")})
        SELECT count(*) FROM wished
    """
    chosen = source if source.isidentifier() else f"({source})"
    return _WANT_MANY.replace("{source}", chosen)


def burst_seconds() -> float:
    """The parameter of `want_many_sql`."""
    return settings.SEGMENT_BURST_MS / 1000


def contact_changed(*, contact_id: int) -> bool:
    """The contact is new, changed topics, joined, left or came back: the provider is to be told.

    Runs in the caller's transaction, after the change. The first time it also wishes for the
    segment of the contact's tier. False where the contact does not exist.
    """
    parameters: dict[str, Any] = {
        "contact": contact_id,
        "correlation": correlation_id(),
        "burst": settings.SEGMENT_BURST_MS / 1000,
    }
    with connection.cursor() as cursor:
        cursor.execute(_CONTACT_CHANGED, parameters)
        return bool(cursor.rowcount)


def order_deletion(contact_ids: Collection[int], address: str) -> int:
    """The persons are erased: the provider is to delete them too; returns how many it is told of.

    Runs before the address is gone from the contact. Again later, with "" for the address, it
    orders anew where a call that was under way has left something behind. That call has lost its
    fence, and the deletion waits until it has surely ended.
    """
    parameters: dict[str, Any] = {
        "contacts": list(contact_ids),
        "address": address,
        "correlation": correlation_id(),
    }
    with connection.cursor() as cursor:
        cursor.execute(_ORDER_DELETION, parameters)
        return int(cursor.rowcount)


_ORDER_DELETION = """
UPDATE newsletter_segmentwish
   SET delete_as = CASE WHEN provider_contact_id <> '' THEN provider_contact_id
                        ELSE %(address)s END,
       target_segment = NULL, known_segments = NULL, known_at = NULL, known_topics = NULL,
       known_unsubscribed = NULL, correlation_id = %(correlation)s, state = 'waiting',
       waiting_since = statement_timestamp(),
       due_at = greatest(lease_until, statement_timestamp()), lease_until = NULL,
       fence = fence + 1, attempts = 0, throttles = 0, failing_since = NULL, last_error = ''
 WHERE contact_id = ANY(%(contacts)s) AND account_id IS NOT NULL
   AND (%(address)s <> '' OR (delete_as = '' AND provider_contact_id <> ''))
"""


def is_settled(wish: SegmentWish) -> bool:
    """Whether everything that was wished so far has been seen to."""
    return (wish.version, wish.topics_version) == (wish.done_version, wish.topics_done_version)


# Whose account: that of the brand's default sender, else of its first one.
ACCOUNTS = """(
    SELECT DISTINCT ON (sender.brand_id) sender.brand_id, sender.account_id
      FROM brands_sender sender JOIN brands_provideraccount account ON account.id = account_id
     WHERE account.kind = 'resend'
     ORDER BY sender.brand_id, sender.is_default DESC, sender.id
)"""

# A wish that comes while a call is under way leaves the call alone: its worker reads the row again
# before the next. One that was given up gets new attempts. A brand that moved to another account
# starts there from nothing, and what is under way at the old one has lost its fence.
_WAIT_AGAIN = """
    account_id = excluded.account_id,
    correlation_id = excluded.correlation_id,
    state = CASE WHEN known.state = 'working' AND known.account_id = excluded.account_id
                 THEN 'working' ELSE 'waiting' END,
    lease_until = CASE WHEN known.account_id = excluded.account_id THEN known.lease_until END,
    waiting_since = CASE WHEN known.state IN ('waiting', 'working')
                         THEN known.waiting_since ELSE excluded.waiting_since END,
    due_at = CASE WHEN known.state IN ('waiting', 'working')
                  THEN known.due_at ELSE excluded.due_at END,
    attempts = CASE WHEN known.state = 'dead' THEN 0 ELSE known.attempts END,
    throttles = CASE WHEN known.state = 'dead' THEN 0 ELSE known.throttles END,
    failing_since = CASE WHEN known.state = 'dead' THEN NULL ELSE known.failing_since END,
    fence = known.fence + (known.account_id IS DISTINCT FROM excluded.account_id)::int,
    provider_contact_id = CASE WHEN known.account_id = excluded.account_id
                               THEN known.provider_contact_id ELSE '' END,
    known_segments = CASE WHEN known.account_id = excluded.account_id THEN known.known_segments END,
    known_at = CASE WHEN known.account_id = excluded.account_id THEN known.known_at END,
    known_topics = CASE WHEN known.account_id = excluded.account_id THEN known.known_topics END,
    known_unsubscribed = CASE WHEN known.account_id = excluded.account_id
                              THEN known.known_unsubscribed END
"""

# Who joined and is not at the provider yet is still to be created, whatever came since.
_WANT_MANY = f"""
INSERT INTO newsletter_segmentwish AS known
       (contact_id, brand_id, account_id, version, target_segment, score, mode, wished_at,
        correlation_id, state, waiting_since, due_at)
SELECT contact.id, contact.brand_id, account.account_id, 1, wish.target_segment, wish.score,
       wish.mode, least(wish.at, statement_timestamp()), wish.correlation_id, 'waiting',
       statement_timestamp(), statement_timestamp() + make_interval(secs => %(burst)s)
  FROM {{source}} wish
  JOIN contacts_contact contact ON contact.id = wish.contact_id AND contact.erased_at IS NULL
  LEFT JOIN {ACCOUNTS} account ON account.brand_id = contact.brand_id
 ORDER BY contact.id
ON CONFLICT (contact_id) DO UPDATE
SET version = known.version + 1, target_segment = excluded.target_segment, score = excluded.score,
    mode = CASE WHEN known.mode = 'initial' AND known.provider_contact_id = ''
                     AND known.known_segments IS NULL
                THEN 'initial' ELSE excluded.mode END,
    wished_at = excluded.wished_at, {_WAIT_AGAIN}
WHERE known.wished_at IS NULL OR excluded.wished_at >= known.wished_at
RETURNING contact_id
"""

_WANT = _WANT_MANY.replace(
    "{source}",
    "(SELECT %(contact)s::bigint AS contact_id, %(target)s::text AS target_segment,"
    " %(score)s::smallint AS score, %(mode)s AS mode, %(at)s::timestamptz AS at,"
    " %(correlation)s AS correlation_id)",
)

# Somebody we had for longer may be known to the provider from before.
NEW_FOR = "1 day"

# The first word of a contact is a wish as well, for the tier they have: a new one is then made
# with segment and topics by one call.
_CONTACT_CHANGED = f"""
INSERT INTO newsletter_segmentwish AS known
       (contact_id, brand_id, account_id, topics_version, version, target_segment, score, wished_at,
        mode, correlation_id, state, waiting_since, due_at)
SELECT contact.id, contact.brand_id, account.account_id, 1, (tier.segment_id IS NOT NULL)::int,
       nullif(tier.segment_id, ''), contact.score,
       CASE WHEN tier.segment_id IS NOT NULL THEN statement_timestamp() END,
       CASE WHEN contact.created_at > statement_timestamp() - interval '{NEW_FOR}'
            THEN 'initial' ELSE 'update' END,
       %(correlation)s, 'waiting', statement_timestamp(),
       statement_timestamp() + make_interval(secs => %(burst)s)
  FROM contacts_contact contact
  LEFT JOIN {ACCOUNTS} account ON account.brand_id = contact.brand_id
  LEFT JOIN LATERAL (
       SELECT segment_id FROM newsletter_tier
        WHERE brand_id = contact.brand_id AND min_score <= contact.score
        ORDER BY min_score DESC LIMIT 1) tier ON true
 WHERE contact.id = %(contact)s
ON CONFLICT (contact_id) DO UPDATE
SET topics_version = known.topics_version + 1, {_WAIT_AGAIN}
"""
