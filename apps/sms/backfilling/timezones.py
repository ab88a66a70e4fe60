"""Deriving zones and states anew: of people who came without, or of all but those given."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
from django.db import connection, transaction
from django.db.models.functions import Now

from apps.sms import zones
from apps.sms.models import Backfill, Subscriber

if TYPE_CHECKING:
    from collections.abc import Callable

PAGE = 5000
NAME = "timezones"


def derive(*, everybody: bool, dry_run: bool, show: Callable[[int, int], None]) -> tuple[int, int]:
    """Returns how many were looked at and how many changed; goes on where a run stopped.

    `everybody` derives also those who have a zone from their number or the brand. Zones that a
    caller gave stay.
    """
    source = "everybody" if everybody else "missing"
    backfill, _ = Backfill.objects.get_or_create(command=NAME, source=source)
    if backfill.finished_at:
        backfill.position, backfill.done, backfill.finished_at = 0, 0, None
    after, looked_at, changed = (0 if dry_run else backfill.position), 0, 0
    while people := _page(after, everybody=everybody):
        after = people[-1][0]
        with transaction.atomic():
            changed += _write(people, everybody=everybody)
            backfill.position, backfill.done, backfill.updated_at = after, changed, Now()
            backfill.save()
            transaction.set_rollback(dry_run)
        looked_at += len(people)
        show(looked_at, changed)
    if not dry_run:
        backfill.finished_at = Now()
        backfill.save()
    return looked_at, changed


def _page(after: int, *, everybody: bool) -> list[tuple[int, str]]:
    people = Subscriber.objects.filter(pk__gt=after).exclude(zone_source="given")
    if not everybody:
        people = people.filter(timezone="")
    return list(people.order_by("pk").values_list("pk", "phone")[:PAGE])


def _write(people: list[tuple[int, str]], *, everybody: bool) -> int:
    places = zones.locate_many(phone for _, phone in people)
    rows = [
        {"id": number, "timezone": place.timezone, "state": place.state}
        for (number, _), place in zip(people, places, strict=True)
        if place
    ]
    with connection.cursor() as cursor:
        cursor.execute(
            _UPDATE,
            {
                "rows": orjson.dumps(rows).decode(),
                "usual": zones.DEFAULT_TIMEZONE,
                "everybody": everybody,
            },
        )
        return int(cursor.rowcount)


# A number that tells none keeps the brand's default where it has one.
_UPDATE = """
UPDATE sms_subscriber s SET
    timezone = wanted.timezone, zone_source = wanted.zone_source, state = wanted.state,
    updated_at = statement_timestamp()
FROM (
    SELECT given.id, given.state,
        coalesce(nullif(given.timezone, ''), nullif(old.timezone, ''), %(usual)s) AS timezone,
        CASE WHEN given.timezone = '' THEN 'brand' ELSE 'number' END AS zone_source
    FROM json_to_recordset(%(rows)s::json) AS given (id bigint, timezone text, state text)
    JOIN sms_subscriber old ON old.id = given.id
    WHERE %(everybody)s OR old.timezone = ''
) wanted
WHERE s.id = wanted.id AND s.zone_source <> 'given'
  AND (s.timezone, s.zone_source, s.state)
      IS DISTINCT FROM (wanted.timezone, wanted.zone_source, wanted.state)
"""
