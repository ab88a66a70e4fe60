"""Claiming one contact: the oldest wish first, for one call to the provider.

Whoever holds the newest fence owns the row until its lease ends; what is written later is written
`WHERE fence = …`. A contact is one call at a time, and so is a person of whom two brands that
share an account have a contact each: at the provider they are one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson
from django.conf import settings
from django.db import IntegrityError, connection, transaction

from apps.newsletter.models.segments import WishMode
from apps.queues.health.backlogs import COUNTED_AT_MOST, ask_backlog
from apps.queues.names import TaskName
from apps.queues.sweeping import Due

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from apps.queues.health.backlogs import Backlog

# More make no difference to the sweeper: no queue has more places.
ENOUGH = 50


@dataclass(frozen=True)
class Claimed:
    """A wish that the caller owns under `fence`, the person as they are now, and what is known.

    `known` is None where nothing is known of the segments; with `listed` and no `known` the
    provider said that it has no such contact. `managed` are the segments that may be taken away.
    """

    contact_id: int
    account_id: int
    fence: int
    version: int
    done_version: int
    topics_version: int
    topics_done_version: int
    target: str | None
    score: int
    mode: str
    correlation_id: str
    provider_contact_id: str
    known: tuple[str, ...] | None
    is_fresh: bool
    known_topics: Mapping[str, str] | None
    known_unsubscribed: bool | None
    attempts: int
    throttles: int
    failing_seconds: float
    listed: bool
    delete_as: str
    address: str
    first_name: str
    last_name: str
    status: str
    is_erased: bool
    managed: frozenset[str]
    topics: Mapping[str, str]

    @property
    def named(self) -> str:
        """What the provider knows the contact by."""
        return self.delete_as or self.provider_contact_id or self.address

    @property
    def is_new(self) -> bool:
        return self.mode == WishMode.INITIAL

    @property
    def is_subscribed(self) -> bool:
        return self.status == "subscribed"

    @property
    def is_there(self) -> bool:
        """Whether the provider is known to have the contact."""
        return bool(self.provider_contact_id) or self.known is not None


# A row that is `working` past its lease belonged to a worker that was killed: what its call did
# is not known, and so nothing is. MATERIALIZED, as a mere subquery may run once per row.
_CLAIM = """
WITH due AS MATERIALIZED (
    SELECT wish.contact_id, contact.address, contact.first_name, contact.last_name, contact.status,
           contact.erased_at IS NOT NULL OR contact.address LIKE '%%@erased.invalid' AS is_erased,
           wish.state = 'working' AS was_orphaned, whose.person
      FROM newsletter_segmentwish wish
      JOIN contacts_contact contact ON contact.id = wish.contact_id
     CROSS JOIN LATERAL (
           SELECT hashtextextended(wish.account_id || ' ' || contact.address, 0) AS person) whose
     WHERE wish.account_id = %(account)s AND wish.state IN ('waiting', 'working')
       AND CASE wish.state WHEN 'waiting' THEN wish.due_at ELSE wish.lease_until END
           <= statement_timestamp()
       AND NOT EXISTS (
           SELECT 1 FROM newsletter_segmentwish twin
            WHERE twin.person = whose.person AND twin.contact_id <> wish.contact_id
              AND (twin.state = 'working'
                   OR twin.called_at
                      > statement_timestamp() - make_interval(secs => %(interval)s)))
     ORDER BY wish.waiting_since, wish.contact_id
     LIMIT 1
       FOR UPDATE OF wish SKIP LOCKED
)
UPDATE newsletter_segmentwish wish
   SET state = 'working', fence = wish.fence + 1, person = due.person,
       lease_until = statement_timestamp() + make_interval(secs => %(lease)s),
       pass_started_at = coalesce(wish.pass_started_at, statement_timestamp()),
       pass_listed = wish.pass_listed AND NOT due.was_orphaned,
       known_segments = CASE WHEN NOT due.was_orphaned THEN wish.known_segments END,
       known_at = CASE WHEN NOT due.was_orphaned THEN wish.known_at END,
       known_topics = CASE WHEN NOT due.was_orphaned THEN wish.known_topics END,
       known_unsubscribed = CASE WHEN NOT due.was_orphaned THEN wish.known_unsubscribed END
  FROM due
 WHERE wish.contact_id = due.contact_id
RETURNING wish.contact_id, wish.account_id, wish.fence, wish.version, wish.done_version,
          wish.topics_version, wish.topics_done_version, wish.target_segment, wish.score,
          wish.mode, wish.correlation_id, wish.provider_contact_id, wish.known_segments,
          coalesce(wish.known_at > statement_timestamp() - make_interval(secs => %(fresh)s),
                   false),
          wish.known_topics::text, wish.known_unsubscribed, wish.attempts, wish.throttles,
          coalesce(extract(epoch FROM statement_timestamp() - wish.failing_since), 0)::float8,
          wish.pass_listed, wish.delete_as, due.address, due.first_name, due.last_name, due.status,
          due.is_erased,
          ARRAY(SELECT segment_id FROM newsletter_managedsegment managed
                 WHERE managed.brand_id = wish.brand_id AND managed.account_id = wish.account_id
                UNION
                SELECT segment_id FROM newsletter_tier tier
                 WHERE tier.brand_id = wish.brand_id AND tier.segment_id <> ''),
          (SELECT jsonb_object_agg(told.provider_topic_id, chosen.state)
             FROM contacts_topicsubscription chosen
             JOIN newsletter_providertopic told
               ON told.topic_id = chosen.topic_id AND told.account_id = wish.account_id
            WHERE chosen.contact_id = wish.contact_id)::text
"""


def claim(*, account_id: int) -> Claimed | None:
    """Takes the oldest due contact of the account; None where none is due."""
    parameters = {
        "account": account_id,
        "lease": settings.SEGMENT_LEASE_SECONDS,
        "interval": settings.SEGMENT_MIN_INTERVAL_MS / 1000,
        "fresh": settings.SEGMENT_KNOWN_FRESH_SECONDS,
    }
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(_CLAIM, parameters)
            row = cursor.fetchone()
    except IntegrityError:
        return None  # somebody took the same person's other contact at this very moment
    return None if row is None else _claimed(row)


def _claimed(row: tuple[Any, ...]) -> Claimed:
    *facts, managed, topics = row
    known, known_topics = facts[12], facts[14]
    facts[12] = None if known is None else tuple(known)
    facts[14] = None if known_topics is None else orjson.loads(known_topics)
    return Claimed(*[*facts, frozenset(managed), orjson.loads(topics or "{}")])


# How many of each account, as far as that makes a difference; the index is by age.
_DUE = f"""
SELECT account.id, found.number, found.oldest
  FROM brands_provideraccount account
 CROSS JOIN LATERAL (
       SELECT count(*) AS number,
              extract(epoch FROM statement_timestamp() - min(waiting_since))::float8 AS oldest
         FROM (SELECT waiting_since FROM newsletter_segmentwish
                WHERE account_id = account.id AND state IN ('waiting', 'working')
                  AND CASE state WHEN 'waiting' THEN due_at ELSE lease_until END
                      <= statement_timestamp()
                ORDER BY waiting_since, contact_id LIMIT {ENOUGH}) few) found
 WHERE account.stopped_at IS NULL AND found.number > 0
"""


def due_wishes() -> Iterable[Due]:
    """For the sweeper."""
    with connection.cursor() as cursor:
        cursor.execute(_DUE)
        return [
            Due(TaskName.WORK_SEGMENTS, number, {"account_id": account_id}, oldest)
            for account_id, number, oldest in cursor.fetchall()
        ]


_BACKLOG = f"""
SELECT count(*) FILTER (WHERE is_due), min(waiting_since) FILTER (WHERE is_due),
       count(*) FILTER (WHERE NOT is_due AND state = 'working')
  FROM (SELECT wish.state, wish.waiting_since,
               CASE wish.state WHEN 'waiting' THEN wish.due_at ELSE wish.lease_until END
               <= statement_timestamp() AS is_due
          FROM brands_provideraccount account
          JOIN newsletter_segmentwish wish
            ON wish.account_id = account.id AND wish.state IN ('waiting', 'working')
         WHERE account.stopped_at IS NULL
         LIMIT {COUNTED_AT_MOST}) open
"""


def backlog() -> Backlog:
    """What `segment_queue.depth` and the queue's health go by."""
    return ask_backlog(_BACKLOG)
