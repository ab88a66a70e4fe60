"""How many people an audience means, and who of them would get nothing and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db import connection

from apps.campaigns import audience, references
from apps.campaigns.selecting import select
from apps.contacts.eligibility import MailClass, skip_reason_sql

if TYPE_CHECKING:
    from collections.abc import Mapping

    from apps.mail.planning import Selection

CAMPAIGN_CLASS = MailClass.COMMERCIAL
# The largest id: a count sees everybody who is there now, as a launch does.
_NO_END = 2**63 - 1


@dataclass(frozen=True)
class AudienceCount:
    """People: all that are meant, those who would get a mail, and the others by reason."""

    total: int
    would_get: int
    skipped: Mapping[str, int]


def tolerance(expected: int) -> int:
    """By how many people an audience may differ from what was confirmed: one in a hundred."""
    return expected // 100


# The same conditions as in `mail.planning`; a test compares what the two come to.
_MEANT = "c.brand_id = %(brand)s AND c.id > %(cursor)s AND c.id <= %(until)s AND ({include})"
_COUNT = """
SELECT reason, count(*)
  FROM (SELECT CASE WHEN {exclude} THEN 'excluded' ELSE {reason} END AS reason
          FROM contacts_contact c WHERE {meant}) meant
 GROUP BY reason ORDER BY reason
"""


def count(selection: Selection, *, brand_id: int) -> AudienceCount:
    """One query over the brand's contacts: about three seconds for a million."""
    reason, params = skip_reason_sql(CAMPAIGN_CLASS, contact_alias="c")
    statement = _COUNT.format(
        meant=_MEANT.format(include=selection.include), exclude=selection.exclude, reason=reason
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, _bound(selection, params, brand_id))
        numbers: dict[str | None, int] = dict(cursor.fetchall())
    would_get = numbers.pop(None, 0)
    skipped = {str(reason): number for reason, number in numbers.items()}
    return AudienceCount(would_get + sum(skipped.values()), would_get, skipped)


def count_rules(rules: object, *, brand_id: int) -> AudienceCount:
    """The audience that the rules mean now.

    Raises `InvalidAudienceError`, or `UnknownReferenceError` naming what the brand does not have.
    """
    parsed = audience.parse(rules)
    found = references.resolve(parsed, brand_id=brand_id)
    return count(select(parsed, found.references), brand_id=brand_id)


# Only the candidates are asked whether they would be skipped, which is what costs.
_SAMPLE = """
WITH candidates AS (
    (SELECT c.id FROM contacts_contact c WHERE {meant} ORDER BY c.id LIMIT %(candidates)s)
    UNION
    (SELECT c.id FROM contacts_contact c WHERE {meant} ORDER BY c.id DESC LIMIT %(candidates)s)
    UNION
    (SELECT c.id FROM contacts_contact c WHERE {meant} ORDER BY random() LIMIT %(candidates)s)
), getting AS MATERIALIZED (
    SELECT c.id FROM candidates JOIN contacts_contact c USING (id)
     WHERE NOT ({exclude}) AND {reason} IS NULL
)
(SELECT id FROM getting ORDER BY id LIMIT %(third)s)
UNION
(SELECT id FROM getting ORDER BY id DESC LIMIT %(third)s)
UNION
(SELECT id FROM getting ORDER BY random() LIMIT %(third)s)
"""
_CANDIDATES_PER_PERSON = 5


def sample(selection: Selection, *, brand_id: int, size: int) -> list[int]:
    """Ids of at most `size` people who would get a mail: oldest, newest, and by chance.

    Empty only where nobody would get one. Half a second for a million contacts; the time of a
    count where nearly everybody would be skipped.
    """
    third = max(1, size // 3)
    candidates = third * _CANDIDATES_PER_PERSON
    found = _sample(selection, brand_id, third, candidates)
    return found or _sample(selection, brand_id, third, None)


def _sample(selection: Selection, brand_id: int, third: int, candidates: int | None) -> list[int]:
    reason, params = skip_reason_sql(CAMPAIGN_CLASS, contact_alias="c")
    statement = _SAMPLE.format(
        meant=_MEANT.format(include=selection.include), exclude=selection.exclude, reason=reason
    )
    with connection.cursor() as cursor:
        cursor.execute(
            statement,
            {**_bound(selection, params, brand_id), "third": third, "candidates": candidates},
        )
        return [row[0] for row in cursor.fetchall()]


def _bound(selection: Selection, params: Mapping[str, Any], brand_id: int) -> dict[str, Any]:
    return {**params, **selection.params, "brand": brand_id, "cursor": 0, "until": _NO_END}
