"""Counting scores: a page of people in two statements, however many there are.

A score is a function of facts, rules and one instant. Each fact is worth a whole number of
thousandths of a point, so that no order of adding them up changes the sum.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.db import connection, transaction

from apps.newsletter.models.engagement import HIGHEST_SCORE
from apps.newsletter.segments.wishes import burst_seconds, want_many_sql
from apps.queues.correlation import correlation_id

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import datetime

    from apps.newsletter.models import ScoreChange


@dataclass(frozen=True)
class Rescored:
    """`contacts` were counted, and the score or tier of `changed` of them is another now.

    `moves` has how many went from one tier to another, by the tiers' slugs.
    """

    contacts: int = 0
    changed: int = 0
    moves: Mapping[tuple[str, str], int] = field(default_factory=Counter)

    @property
    def moved(self) -> int:
        return sum(self.moves.values())

    def with_(self, other: Rescored) -> Rescored:
        """Both together."""
        return Rescored(
            self.contacts + other.contacts,
            self.changed + other.changed,
            Counter(self.moves) + Counter(other.moves),
        )


@dataclass(frozen=True)
class Selection:
    """Who is to be counted: a condition on contacts, with its parameters."""

    condition: str
    params: Mapping[str, Any]

    @classmethod
    def these(cls, contact_ids: Collection[int]) -> Selection:
        return cls("contact.id = ANY(%(contacts)s)", {"contacts": sorted(set(contact_ids))})

    @classmethod
    def range(cls, *, brand_id: int, after: int, until: int) -> Selection:
        return cls(
            "contact.brand_id = %(brand)s AND contact.id > %(after)s AND contact.id <= %(until)s",
            {"brand": brand_id, "after": after, "until": until},
        )


# Taken first, in a statement of their own: what is counted next then sees all that was written
# before, and whoever counts the same people at the same time does so afterwards.
_LOCK = """
SELECT count(*), clock_timestamp() FROM (
    SELECT contact.id FROM contacts_contact contact
     WHERE {condition} AND contact.erased_at IS NULL
     ORDER BY contact.id FOR NO KEY UPDATE
) locked
"""

# Mails count where their mailing is of the month in which the window begins, or later.
POINTS = """
person AS MATERIALIZED (
    SELECT contact.id, contact.brand_id, contact.status, contact.status_changed_at, contact.score,
           contact.tier
      FROM contacts_contact contact
     WHERE {condition} AND contact.erased_at IS NULL
), rule AS MATERIALIZED (
    SELECT brand_id, signal, points, half_life_days, most_points,
           %(at)s::timestamptz - make_interval(days => window_days) AS since
      FROM newsletter_scorerule
     WHERE enabled AND brand_id IN (SELECT brand_id FROM person)
), fact AS (
    SELECT person.id AS contact_id, person.brand_id, told.signal, told.at, message.month
      FROM person
      JOIN mail_message message
        ON message.contact_id = person.id
       AND message.month >= (SELECT date_trunc('month', min(since) AT TIME ZONE 'UTC')::date
                               FROM rule)
       AND (message.opened_at IS NOT NULL OR message.clicked_at IS NOT NULL
            OR message.delivery = 50)
     CROSS JOIN LATERAL (VALUES
           ('opened', message.opened_at),
           ('clicked', message.clicked_at),
           ('complained', CASE WHEN message.delivery = 50 THEN message.delivery_at END)
           ) AS told (signal, at)
     WHERE told.at IS NOT NULL
     UNION ALL
    SELECT person.id, person.brand_id, 'joined', person.status_changed_at, NULL
      FROM person WHERE person.status = 'subscribed'
     UNION ALL
    SELECT person.id, person.brand_id, interaction.kind, interaction.occurred_at, NULL
      FROM person
      JOIN newsletter_interaction interaction
        ON interaction.contact_id = person.id
       AND interaction.occurred_at > (SELECT min(since) FROM rule)
       AND interaction.month >= (SELECT date_trunc('month', min(since) AT TIME ZONE 'UTC')::date
                                   FROM rule)
), worth AS (
    SELECT fact.contact_id, fact.signal, rule.most_points, count(*) AS times,
           sum(CASE WHEN rule.half_life_days IS NULL THEN rule.points * 1000::bigint
                    ELSE round(rule.points * 1000 * power(2::float8,
                             extract(epoch FROM fact.at - %(at)s)::float8
                             / 86400 / rule.half_life_days))::bigint END) AS thousandths
      FROM fact
      JOIN rule ON rule.brand_id = fact.brand_id AND rule.signal = fact.signal
       AND fact.at > rule.since AND fact.at <= %(at)s
       AND (fact.month IS NULL
            OR fact.month >= date_trunc('month', rule.since AT TIME ZONE 'UTC')::date)
     GROUP BY 1, 2, 3
), bounded AS (
    SELECT contact_id, signal, times,
           greatest(-most_points * 1000::bigint,
                    least(most_points * 1000::bigint, thousandths)) AS thousandths
      FROM worth
)
"""

_CHANGED = f"""
{POINTS}, total AS (
    SELECT contact_id, sum(thousandths) AS thousandths,
           jsonb_object_agg(signal, jsonb_build_array(times, round(thousandths / 1000.0, 1)))
               AS why
      FROM bounded GROUP BY 1
), counted AS MATERIALIZED (
    SELECT person.id, person.brand_id, person.score AS old_score, person.tier AS old_tier,
           greatest(0, least({HIGHEST_SCORE},
               round(coalesce(total.thousandths, 0) / 1000.0)))::smallint AS new_score,
           coalesce(total.why, '{{{{}}}}') AS why
      FROM person LEFT JOIN total ON total.contact_id = person.id
), changed AS MATERIALIZED (
    SELECT counted.*, coalesce(tier.slug, '') AS new_tier, nullif(tier.segment_id, '') AS segment
      FROM counted
      LEFT JOIN LATERAL (
           SELECT slug, segment_id FROM newsletter_tier
            WHERE brand_id = counted.brand_id AND min_score <= counted.new_score
            ORDER BY min_score DESC LIMIT 1) tier ON true
     WHERE (counted.new_score, coalesce(tier.slug, ''))
           IS DISTINCT FROM (counted.old_score, counted.old_tier)
)
"""

_TOLD = """
SELECT old_tier, new_tier, count(*) FROM changed GROUP BY 1, 2
"""

_WISHES = want_many_sql("""
    SELECT id AS contact_id, segment AS target_segment, new_score AS score,
           CASE old_tier WHEN '' THEN 'initial' ELSE 'update' END AS mode,
           %(at)s::timestamptz AS at, %(correlation)s::text AS correlation_id
      FROM changed WHERE new_tier <> old_tier
""")

# One statement: a tier never changes without its wish, nor a score without its record.
_WRITE = f"""
WITH {_CHANGED}, written AS (
    UPDATE contacts_contact contact SET score = changed.new_score, tier = changed.new_tier
      FROM changed WHERE contact.id = changed.id
), recorded AS (
    INSERT INTO newsletter_scorechange
           (month, brand_id, contact_id, old_score, new_score, old_tier, new_tier, cause, why, at)
    SELECT date_trunc('month', %(at)s::timestamptz AT TIME ZONE 'UTC')::date, brand_id, id,
           old_score, new_score, old_tier, new_tier, %(cause)s, why, %(at)s
      FROM changed
), wished AS ({_WISHES})
{_TOLD}
"""
_LOOK = f"WITH {_CHANGED} {_TOLD}"


def rescore(contact_ids: Collection[int], *, cause: ScoreChange.Cause) -> Rescored:
    """Counts these people anew, now.

    Score, tier, the record of it, and wishes for their segments where the tier changed: two
    statements, in the caller's transaction or one of its own.
    """
    if not contact_ids:
        return Rescored()
    return rescore_selected(Selection.these(contact_ids), cause=cause)


def rescore_selected(selection: Selection, *, cause: ScoreChange.Cause) -> Rescored:
    """The same for a selection."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_LOCK.format(condition=selection.condition), selection.params)
        contacts, at = cursor.fetchone()
        params = {
            **selection.params,
            "at": at,
            "cause": str(cause),
            "correlation": correlation_id(),
            "burst": burst_seconds(),
        }
        cursor.execute(_WRITE.format(condition=selection.condition), params)
        return _rescored(contacts, cursor.fetchall())


def look(selection: Selection, *, at: datetime) -> Rescored:
    """What `rescore_selected` would do at that instant. Nothing is written or locked."""
    params = {**selection.params, "at": at}
    count = (
        "SELECT count(*) FROM contacts_contact contact"
        f" WHERE {selection.condition} AND contact.erased_at IS NULL"
    )
    with connection.cursor() as cursor:
        cursor.execute(count, selection.params)
        contacts = cursor.fetchone()[0]
        cursor.execute(_LOOK.format(condition=selection.condition), params)
        return _rescored(contacts, cursor.fetchall())


def _rescored(contacts: int, rows: list[tuple[str, str, int]]) -> Rescored:
    return Rescored(
        contacts=contacts,
        changed=sum(number for _, _, number in rows),
        moves=Counter({(old, new): number for old, new, number in rows if old != new}),
    )
