"""Reserved texts, made by SQL: for tests, fault runs and benchmarks of what comes after the choice.

Each statement takes the named parameters that its comment tells; any client may run them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Run = Callable[[str, Mapping[str, Any]], object]

# number, prefix: digits in front of a place of six digits
_SUBSCRIBERS = """
INSERT INTO sms_subscriber (phone, first_name, last_name, name, email, status, timezone, state,
                            zone_source, traits, opted_in_at)
SELECT '+' || %(prefix)s || lpad(place::text, 6, '0'), 'Ann', 'Person', 'Ann Person', NULL,
       'ACTIVE', 'America/New_York', 'NY', '', '{}', now()
  FROM generate_series(0, %(number)s - 1) AS place
"""
_SUBSCRIPTIONS = """
INSERT INTO sms_subscription (subscriber_id, brand_id, active, opted_in_at, source, proof,
                              verified_at)
SELECT id, %(brand)s, true, now(), 'test', '', now() FROM sms_subscriber
 WHERE phone LIKE '+' || %(prefix)s || '%%'
"""
_RESERVE = """
WITH chosen AS (
    SELECT id, phone, (row_number() OVER (ORDER BY id) - 1) / %(size)s AS place
      FROM sms_subscriber WHERE phone LIKE '+' || %(prefix)s || '%%'
), counted AS (
    SELECT place, count(*) AS size FROM chosen GROUP BY place
), made AS (
    INSERT INTO sms_textchunk (brand_id, local_day, size, correlation_id)
    SELECT %(brand)s, current_date, size, 'place-' || place FROM counted
    RETURNING id, correlation_id
)
INSERT INTO sms_senttext (local_day, subscriber_id, message_id, campaign_id, brand_id, chunk_id,
                          until_at, phone)
SELECT current_date, chosen.id, %(message)s, %(campaign)s, %(brand)s, made.id,
       now() + interval '1 day', chosen.phone
  FROM chosen JOIN made ON made.correlation_id = 'place-' || chosen.place
"""


def add_people(run: Run, *, brand: int, number: int, prefix: str = "12125") -> None:
    """Subscribers whom nothing keeps from a text of the brand; `number` up to a million."""
    run(_SUBSCRIBERS, {"number": number, "prefix": prefix})
    run(_SUBSCRIPTIONS, {"brand": brand, "prefix": prefix})


def reserve(  # noqa: PLR0913 - each is a plain fact
    run: Run, *, brand: int, campaign: int, message: int, prefix: str = "12125", size: int = 100
) -> None:
    """A reserved text for each of the people, in chunks of `size`, as the minute's run does."""
    given = {"brand": brand, "campaign": campaign, "message": message}
    run(_RESERVE, {**given, "prefix": prefix, "size": size})
