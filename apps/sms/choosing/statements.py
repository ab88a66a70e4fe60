"""The statements of the choice: set-based, and as many for one person as for 200,000.

People are read in the order of their ids by three indexes side by side, until as many are found as
may be chosen; so a minute costs what it yields. Only of those found is the log opened, by the index
that also keeps a message from being reserved twice. Which messages each may get is a row of bits;
people with the same bits choose from the same pool, each by a number of their own. Measured in
docs/adr/0023.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from apps.sms.choosing.reasons import Reason
from apps.sms.choosing.rules import LOG_RULES, PERSON_RULES, Rule, first_refusal


@dataclass(frozen=True)
class Shape:
    """What the wording of a run's statements depends on: `parameters.shape_of`."""

    capped: int
    """Campaigns with a weekly cap: each is counted by an aggregate of its own."""
    has_totals: bool
    """Whether a campaign has a total cap."""


# What Python found out, as tables.
_GIVEN = """
place AS MATERIALIZED (
    SELECT timezone, state, refused, day, until_at, max_per_24h, open_to::varbit AS open_to, number
      FROM unnest(%(timezones)s::text[], %(states)s::text[], %(refused)s::text[],
                  %(days)s::date[], %(untils)s::timestamptz[], %(maxima)s::int[],
                  %(open_to)s::text[])
           WITH ORDINALITY AS given (timezone, state, refused, day, until_at, max_per_24h,
                                     open_to, number)
), message AS MATERIALIZED (
    SELECT id, campaign_id, weight, (number - 1)::int AS slot
      FROM unnest(%(messages)s::bigint[], %(campaigns)s::bigint[], %(weights)s::float8[])
           WITH ORDINALITY AS given (id, campaign_id, weight, number)
), campaign AS MATERIALIZED (
    SELECT id, places_left
      FROM unnest(%(campaign_ids)s::bigint[], %(places_left)s::bigint[]) AS given (id, places_left)
), ending AS MATERIALIZED (
    SELECT place, slot, until_at
      FROM unnest(%(ending_places)s::bigint[], %(ending_slots)s::int[],
                  %(ending_untils)s::timestamptz[]) AS given (place, slot, until_at)
)"""

_PEOPLE_FROM = """
  FROM sms_subscription subscription
  JOIN sms_subscriber subscriber ON subscriber.id = subscription.subscriber_id
  LEFT JOIN place ON place.timezone = subscriber.timezone AND place.state = subscriber.state
  LEFT JOIN sms_texttally tally ON tally.subscriber_id = subscription.subscriber_id
 WHERE subscription.brand_id = %(brand)s"""

# LIMIT by a subquery limits nothing; it tells the planner that the beginning is wanted first, so
# that it walks along the indexes and stops, instead of reading and sorting everybody.
_PEOPLE = f"""
people AS MATERIALIZED (
    SELECT id, phone, place, refusal, refusal = 0 AS allowed
      FROM (SELECT id, phone, place, refusal,
                   count(*) FILTER (WHERE refusal = 0)
                       OVER (ORDER BY id ROWS UNBOUNDED PRECEDING) AS found
              FROM (SELECT subscription.subscriber_id AS id, subscriber.phone,
                           place.number AS place, {first_refusal(PERSON_RULES)} AS refusal
                    {_PEOPLE_FROM} AND subscription.subscriber_id > %(cursor)s
                    ORDER BY subscription.subscriber_id
                    LIMIT (SELECT 2147483647)) person) counted
     WHERE found <= %(limit)s
), page AS MATERIALIZED (
    SELECT people.id, people.phone, place.number AS place, place.day, place.until_at,
           place.max_per_24h, place.open_to
      FROM people JOIN place ON place.number = people.place
     WHERE people.allowed
)"""


def _had(capped: int) -> str:
    """What the log holds of each person of `page`; an aggregate a person, which nothing sorts.

    `counts` is false for what was surely not sent: no cap counts it, but its message is used up.
    """
    weeks = "".join(
        f", count(*) FILTER (WHERE log.counts AND log.campaign_id = %(capped_{n})s) AS week_{n}"
        for n in range(capped)
    )
    full = [
        f"CASE WHEN week_{n} >= %(weekly_cap_{n})s THEN %(capped_bits_{n})s::varbit"
        " ELSE %(none)s::varbit END"
        for n in range(capped)
    ]
    return f"""
CROSS JOIN LATERAL (
    SELECT today, in_24h, last_at, messages, {" | ".join(full) or "%(none)s::varbit"} AS capped
      FROM (SELECT count(*) FILTER (WHERE log.counts AND log.local_day = page.day) AS today,
                   count(*) FILTER (WHERE log.counts
                                      AND log.reserved_at > %(day_ago)s) AS in_24h,
                   max(log.reserved_at) FILTER (WHERE log.counts) AS last_at,
                   bit_or(CASE WHEN log.local_day = page.day THEN
                               set_bit(%(none)s::varbit,
                                       array_position(%(messages)s::bigint[],
                                                      log.message_id) - 1, 1)
                          END) AS messages{weeks}
              FROM sms_senttext log
             WHERE log.subscriber_id = page.id AND log.local_day > page.day - 7
               AND log.local_day > %(log_after)s AND log.local_day <= %(log_until)s) week
    OFFSET 0) had"""


# The messages a person may get: open at this hour, of no campaign that is full, not had today.
_OPEN_TO = "(page.open_to & ~had.capped & ~coalesce(had.messages, %(none)s::varbit))"


def _judged(capped: int) -> str:
    return f"""
judged AS MATERIALIZED (
    SELECT id, phone, place, day, until_at, refusal, refusal = 0 AS allowed, bits
      FROM (SELECT page.id, page.phone, page.place, page.day, page.until_at,
                   {first_refusal(LOG_RULES)} AS refusal,
                   {_OPEN_TO} AS bits
              FROM page {_had(capped)} OFFSET 0) asked
)"""


# Each of the weights is a stretch of a line; a number of the person's own, made from the run's seed
# and their id, falls into one of them.
_CHOSEN = """
pool AS MATERIALIZED (
    SELECT bits, array_agg(id ORDER BY slot) AS ids, array_agg(below ORDER BY slot) AS steps,
           max(total) AS total
      FROM (SELECT kind.bits, message.id, message.slot,
                   sum(weight) OVER (PARTITION BY kind.bits ORDER BY slot) - weight AS below,
                   sum(weight) OVER (PARTITION BY kind.bits) AS total
              FROM (SELECT DISTINCT bits FROM judged WHERE allowed) kind
              JOIN message ON get_bit(kind.bits, message.slot) = 1) stretched
     GROUP BY bits
), chosen AS MATERIALIZED (
    SELECT judged.id, judged.phone, judged.place, judged.day, judged.until_at,
           pool.ids[width_bucket(
               (hashint8extended(judged.id, %(seed)s) & 9007199254740991)
                   / 9007199254740992.0::float8 * pool.total, pool.steps)] AS message_id
      FROM judged JOIN pool ON pool.bits = judged.bits
     WHERE judged.allowed
)"""

_KEPT = """
kept AS MATERIALIZED (
    SELECT chosen.id, chosen.phone, chosen.place, chosen.day, chosen.until_at,
           chosen.message_id, message.campaign_id, message.slot
      FROM chosen JOIN message ON message.id = chosen.message_id
)"""

# As many as the total cap of a campaign still allows, by the order of ids.
_KEPT_WITHIN_TOTALS = """
kept AS MATERIALIZED (
    SELECT turned.id, phone, place, day, until_at, message_id, campaign_id, slot
      FROM (SELECT chosen.*, message.campaign_id, message.slot,
                   row_number() OVER (PARTITION BY message.campaign_id ORDER BY chosen.id) AS turn
              FROM chosen JOIN message ON message.id = chosen.message_id) turned
      JOIN campaign ON campaign.id = turned.campaign_id
     WHERE coalesce(turn <= campaign.places_left, true)
)"""


def _reason_names(column: str, rules: tuple[Reason, ...]) -> str:
    names = ", ".join(f"'{one}'" for one in rules)
    return f"(ARRAY[{names}])[{column}]"


_COUNTS = f"""
reason AS (
    SELECT {_reason_names("refusal", tuple(rule.reason for rule in PERSON_RULES))} AS name,
           count(*) AS people FROM people WHERE refusal > 0 GROUP BY refusal
    UNION ALL
    SELECT {_reason_names("refusal", tuple(rule.reason for rule in LOG_RULES))}, count(*)
      FROM judged WHERE refusal > 0 GROUP BY refusal
    UNION ALL
    SELECT '{Reason.CAMPAIGN_TOTAL}',
           (SELECT count(*) FROM chosen) - (SELECT count(*) FROM kept)
), figures AS (
    SELECT (SELECT count(*) FROM people) AS looked_at,
           (SELECT count(*) FROM kept) AS chosen,
           (SELECT coalesce(jsonb_object_agg(name, people), '{{}}')
              FROM (SELECT name, sum(people) AS people FROM reason
                     GROUP BY name HAVING sum(people) > 0) by_name) AS reasons,
           -- Fewer than wanted were found, so everybody behind the cursor was looked at.
           CASE WHEN (SELECT count(*) FROM page) < %(limit)s THEN 0
                ELSE coalesce((SELECT max(id) FROM people), 0) END AS cursor
)"""


def _choice(shape: Shape) -> str:
    kept = _KEPT_WITHIN_TOTALS if shape.has_totals else _KEPT
    return f"WITH {_GIVEN}, {_PEOPLE}, {_judged(shape.capped)}, {_CHOSEN}, {kept}, {_COUNTS}"


@lru_cache(maxsize=64)
def count(shape: Shape) -> str:
    """Who would be chosen, as figures; reserves nothing."""
    return f"{_choice(shape)} SELECT looked_at, chosen, 0, reasons, cursor FROM figures"


# The chunks of a day stand in an array: the planner, which guesses a row or two here, would join
# people and chunks by the day alone and throw nearly all of 16,000,000 pairs away.
_RESERVING = """
parted AS MATERIALIZED (
    SELECT kept.id, kept.phone, kept.day, kept.message_id, kept.campaign_id,
           coalesce(ending.until_at, kept.until_at) AS until_at,
           (row_number() OVER (PARTITION BY kept.day ORDER BY kept.id) - 1)
               / %(chunk_size)s AS part
      FROM kept LEFT JOIN ending ON ending.place = kept.place AND ending.slot = kept.slot
), chunk AS MATERIALIZED (
    SELECT day, part, nextval(pg_get_serial_sequence('sms_textchunk', 'id')) AS id
      FROM (SELECT DISTINCT day, part FROM parted ORDER BY day, part) parts
), chunks AS MATERIALIZED (
    SELECT day, array_agg(id ORDER BY part) AS ids FROM chunk GROUP BY day
), taken AS (
    INSERT INTO sms_senttext (local_day, subscriber_id, message_id, campaign_id, brand_id,
                              chunk_id, reserved_at, until_at, phone)
    SELECT parted.day, parted.id, parted.message_id, parted.campaign_id, %(brand)s,
           chunks.ids[parted.part + 1], %(at)s, parted.until_at, parted.phone
      FROM parted JOIN chunks USING (day)
     ORDER BY parted.id
        ON CONFLICT DO NOTHING
    RETURNING subscriber_id, local_day, campaign_id, chunk_id
), made AS (
    INSERT INTO sms_textchunk (id, brand_id, local_day, size, correlation_id)
    SELECT chunk_id, %(brand)s, local_day, count(*), %(correlation)s
      FROM taken GROUP BY chunk_id, local_day
), told AS (
    INSERT INTO sms_texttally AS tally (subscriber_id, day, texts, last_at)
    SELECT subscriber_id, local_day, 1, %(at)s FROM taken ORDER BY subscriber_id
        ON CONFLICT (subscriber_id) DO UPDATE
       SET day = EXCLUDED.day, last_at = EXCLUDED.last_at,
           texts = CASE WHEN tally.day = EXCLUDED.day THEN tally.texts + 1 ELSE 1 END
), counted AS (
    INSERT INTO sms_campaigntally AS tally (campaign_id, reserved)
    SELECT campaign_id, count(*) FROM taken GROUP BY campaign_id
        ON CONFLICT (campaign_id) DO UPDATE SET reserved = tally.reserved + EXCLUDED.reserved
)
SELECT looked_at, chosen, (SELECT count(*) FROM taken), reasons, cursor FROM figures"""


@lru_cache(maxsize=64)
def reserve(shape: Shape) -> str:
    """As `count`, and reserves: log, chunks and tallies in one statement. See `running`."""
    return f"{_choice(shape)}, {_RESERVING}"


def _columns(rules: tuple[Rule, ...], kind: str) -> str:
    return ", ".join(
        f"({rule.allows}) IS TRUE AS {kind}{number}, {rule.shown} AS {kind}{number}_shown"
        for number, rule in enumerate(rules)
    )


@lru_cache(maxsize=64)
def explain(shape: Shape) -> str:
    """Every rule of one person with its verdict and what it looked at; no row: never subscribed."""
    return f"""
WITH {_GIVEN}, one AS MATERIALIZED (
    SELECT subscription.subscriber_id AS id, {_columns(PERSON_RULES, "person")}
    {_PEOPLE_FROM} AND subscription.subscriber_id = %(subscriber)s
), page AS MATERIALIZED (
    SELECT subscriber.id, subscriber.phone, coalesce(place.day, %(at)s::date) AS day,
           place.max_per_24h, coalesce(place.open_to, %(none)s::varbit) AS open_to
      FROM one JOIN sms_subscriber subscriber ON subscriber.id = one.id
      LEFT JOIN place ON place.timezone = subscriber.timezone AND place.state = subscriber.state
)
SELECT one.*, {_columns(LOG_RULES, "log")}, {_OPEN_TO}::text AS bits
  FROM one JOIN page ON page.id = one.id {_had(shape.capped)}
"""
