"""From staged people to subscribers: one statement, however many there are.

A row is written only where it changes something, or where `verified_at` grows old. Whoever left
with us after they opted in at the provider stays out; who was on the list and is not any more
leaves the brand, unless another of its lists has them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db import connection

from apps.sms import digests
from apps.sms.leaving import LEFT_LIST
from apps.sms.listing.staging import TABLE
from apps.sms.upserts.saving import default_zone

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from apps.sms.models import OptInList

REFRESH_MINUTES = 60
_ERASED_PAGE = 10_000
_LOCK = 0x534F  # of the database: one merge after the other, or two would wait crosswise


@dataclass(frozen=True, slots=True)
class Leavers:
    """How many of the list's active people would leave the brand."""

    active: int
    leaving: int


@dataclass(frozen=True, slots=True)
class MergeCounts:
    created: int = 0
    """Numbers that nobody knew."""
    joined: int = 0
    """Permissions that are new, or hold again."""
    verified: int = 0
    """Everybody on the list whom the brand may text."""
    kept_out: int = 0
    """On the list, but left with us after that."""
    left: int = 0


def prepare() -> None:
    """Before the rest, in the same transaction, until whose end nobody is erased.

    Erased people are taken out of the staged ones: nothing may bring them back.
    """
    with connection.cursor() as cursor:
        # A million rows take longer than any request may; and sorting in memory is much faster.
        cursor.execute("SET LOCAL statement_timeout = 0")
        cursor.execute("SET LOCAL work_mem = '64MB'")
        # The planner guesses how many rows the statement's own parts will hand on. Guessing a few
        # where there are thousands, it would loop over their product for minutes.
        cursor.execute("SET LOCAL enable_nestloop = off")
        cursor.execute("SELECT pg_advisory_xact_lock(%s, 0)", [_LOCK])
    digests.hold_off_erasing()
    if digests.any_erased():
        for phones in _new_phones():
            _forget(digests.find_erased(phones))


def count_leavers(opt_in_list: OptInList) -> Leavers:
    """Read-only, inside the transaction of `prepare`."""
    with connection.cursor() as cursor:
        cursor.execute(_LEAVERS, {"list": opt_in_list.pk, "brand": opt_in_list.brand_id})
        active, leaving = cursor.fetchone()
    return Leavers(active=active, leaving=leaving)


def merge(opt_in_list: OptInList, *, seen_at: datetime, refresh_minutes: int) -> MergeCounts:
    """Inside the transaction of `prepare`. `seen_at` is when the list was asked for.

    `verified_at` is written anew where it is older than `refresh_minutes`: writing a row for
    everybody every quarter of an hour would be most of a sync's work.
    """
    total = MergeCounts()
    while True:
        with connection.cursor() as cursor:
            cursor.execute(_MERGE, _parameters(opt_in_list, seen_at, refresh_minutes))
            *counts, missed = cursor.fetchone()
        found = MergeCounts(*counts)
        total = MergeCounts(
            created=total.created + found.created,
            joined=total.joined + found.joined,
            verified=found.verified,
            kept_out=found.kept_out,
            left=total.left + found.left,
        )
        # Somebody else added the same numbers while the statement ran: the next pass sees them.
        if not missed:
            return total


def _parameters(opt_in_list: OptInList, seen_at: datetime, refresh_minutes: int) -> dict[str, Any]:
    return {
        "list": opt_in_list.pk,
        "brand": opt_in_list.brand_id,
        "zone": opt_in_list.timezone,
        "seen_at": seen_at,
        "refresh": refresh_minutes,
        "default_zone": default_zone(opt_in_list.brand_id),
        "source": f"lime list {opt_in_list.list_id}"[:100],
        "proof": f"on Lime's list {opt_in_list.list_id} {opt_in_list.keyword}".strip()[:440],
        "left_source": f"{LEFT_LIST}{opt_in_list.list_id}"[:100],
    }


def _new_phones() -> Iterator[list[str]]:
    after = ""
    while True:
        with connection.cursor() as cursor:
            cursor.execute(_NEW_PHONES, {"after": after, "size": _ERASED_PAGE})
            page = [phone for (phone,) in cursor.fetchall()]
        if not page:
            return
        yield page
        after = page[-1]


def _forget(phones: set[str]) -> None:
    if phones:
        with connection.cursor() as cursor:
            cursor.execute(f"DELETE FROM pg_temp.{TABLE} WHERE phone = ANY(%s)", [list(phones)])


_NEW_PHONES = f"""
SELECT DISTINCT phone FROM pg_temp.{TABLE} staged
WHERE phone > %(after)s
  AND NOT EXISTS (SELECT FROM sms_subscriber s WHERE s.phone = staged.phone)
ORDER BY phone LIMIT %(size)s
"""

_ELSEWHERE = """
EXISTS (
    SELECT FROM sms_listmember other JOIN sms_optinlist l ON l.id = other.opt_in_list_id
    WHERE other.subscriber_id = {person} AND l.brand_id = %(brand)s AND l.id <> %(list)s
)
"""

_LEAVERS = f"""
WITH people AS MATERIALIZED (
    SELECT DISTINCT s.id FROM pg_temp.{TABLE} p JOIN sms_subscriber s ON s.phone = p.phone
)
SELECT count(*), count(*) FILTER (
    WHERE p.id IS NULL AND NOT {_ELSEWHERE.format(person="m.subscriber_id")}
)
FROM sms_listmember m
JOIN sms_subscription x ON x.subscriber_id = m.subscriber_id AND x.brand_id = %(brand)s
LEFT JOIN people p ON p.id = m.subscriber_id
WHERE m.opt_in_list_id = %(list)s AND x.active
"""

# What every part sees is one snapshot: the tables as they were before the statement. `found` is
# everybody on the list, whoever nobody knew without an id; `back` says that somebody who had
# stopped all texts opted in again since, `out` that they did not.
#
# Who is `created` is seen by nobody else before the commit, and members are written by nobody else
# while one merges (see `prepare`). So their rows cannot be there yet, and none are looked for: ON
# CONFLICT would make each of them half as dear again.
_MERGE = f"""
WITH people AS (
    SELECT DISTINCT ON (phone) phone, opted_in AT TIME ZONE %(zone)s AS opted_in_at,
        first_name, last_name, email, timezone, state
    FROM pg_temp.{TABLE}
    ORDER BY phone, opted_in DESC NULLS LAST
), found AS MATERIALIZED (
    SELECT s.id, p.*, s.opted_out_at AS left_at,
        s.status = 'OPTOUT' AND p.opted_in_at > s.opted_out_at AS back,
        s.status = 'OPTOUT' AND (p.opted_in_at > s.opted_out_at) IS NOT TRUE AS out,
        (
            s.opted_in_at IS NULL
            OR s.verified_at IS NULL
            OR s.verified_at < %(seen_at)s - make_interval(mins => %(refresh)s)
            OR s.first_name = '' AND p.first_name <> ''
            OR s.last_name = '' AND p.last_name <> ''
            OR s.email IS NULL AND p.email IS NOT NULL
        ) AS changes
    FROM people p LEFT JOIN sms_subscriber s ON s.phone = p.phone
), created AS (
    INSERT INTO sms_subscriber (phone, name, first_name, last_name, email, opted_in_at,
        opt_in_source, opt_in_proof, verified_at, timezone, state, zone_source)
    SELECT f.phone, trim(f.first_name || ' ' || f.last_name), f.first_name, f.last_name, f.email,
        f.opted_in_at, %(source)s, %(proof)s, %(seen_at)s,
        coalesce(nullif(f.timezone, ''), %(default_zone)s), f.state,
        CASE WHEN f.timezone = '' THEN 'brand' ELSE 'number' END
    FROM found f
    WHERE f.id IS NULL AND f.opted_in_at IS NOT NULL
    ORDER BY f.phone
    ON CONFLICT (phone) DO NOTHING
    RETURNING id, opted_in_at
), welcomed AS (
    INSERT INTO sms_subscription
        (subscriber_id, brand_id, active, opted_in_at, source, proof, verified_at)
    SELECT id, %(brand)s, true, opted_in_at, %(source)s, %(proof)s, %(seen_at)s FROM created
), updated AS (
    UPDATE sms_subscriber s SET
        status = CASE WHEN f.back THEN 'ACTIVE' ELSE s.status END,
        opted_out_at = CASE WHEN f.back THEN NULL ELSE s.opted_out_at END,
        opted_in_at = CASE WHEN f.back THEN f.opted_in_at ELSE
            coalesce(s.opted_in_at, f.opted_in_at) END,
        opt_in_source = CASE WHEN f.back OR s.opted_in_at IS NULL THEN %(source)s
            ELSE s.opt_in_source END,
        opt_in_proof = CASE WHEN f.back OR s.opted_in_at IS NULL THEN %(proof)s
            ELSE s.opt_in_proof END,
        first_name = coalesce(nullif(s.first_name, ''), f.first_name),
        last_name = coalesce(nullif(s.last_name, ''), f.last_name),
        email = coalesce(s.email, f.email),
        verified_at = %(seen_at)s,
        updated_at = now()
    FROM found f
    -- Whoever stops while this runs has stopped: their row is looked at again once it is free.
    WHERE s.id = f.id AND f.opted_in_at IS NOT NULL
      AND s.opted_out_at IS NOT DISTINCT FROM f.left_at AND (f.back OR f.changes)
), known AS MATERIALIZED (
    SELECT f.id, f.opted_in_at, f.out, x.id AS subscription_id, x.active,
        NOT f.out AND NOT x.active
            AND (f.opted_in_at > x.opted_out_at OR x.source = %(left_source)s) AS back,
        x.active AND (
            x.verified_at IS NULL
            OR x.verified_at < %(seen_at)s - make_interval(mins => %(refresh)s)
        ) AS grows_old
    FROM found f
    LEFT JOIN sms_subscription x ON x.brand_id = %(brand)s AND x.subscriber_id = f.id
    WHERE f.id IS NOT NULL AND f.opted_in_at IS NOT NULL
), subscribed AS (
    INSERT INTO sms_subscription
        (subscriber_id, brand_id, active, opted_in_at, source, proof, verified_at)
    SELECT id, %(brand)s, true, opted_in_at, %(source)s, %(proof)s, %(seen_at)s
    FROM known WHERE subscription_id IS NULL AND NOT out
    ORDER BY id
    ON CONFLICT (brand_id, subscriber_id) DO NOTHING
    RETURNING id
), resubscribed AS (
    UPDATE sms_subscription x SET
        active = true, opted_out_at = NULL,
        opted_in_at = CASE WHEN k.back THEN k.opted_in_at ELSE x.opted_in_at END,
        source = CASE WHEN k.back THEN %(source)s ELSE x.source END,
        proof = CASE WHEN k.back THEN %(proof)s ELSE x.proof END,
        verified_at = %(seen_at)s, updated_at = now()
    FROM known k
    WHERE x.id = k.subscription_id AND (k.back OR k.grows_old) AND x.active = k.active
    RETURNING k.back
), members AS (
    INSERT INTO sms_listmember (opt_in_list_id, subscriber_id)
    SELECT %(list)s, id FROM created
    UNION ALL
    SELECT %(list)s, k.id FROM known k
    WHERE NOT EXISTS (
        SELECT FROM sms_listmember m
        WHERE m.opt_in_list_id = %(list)s AND m.subscriber_id = k.id
    )
), gone AS (
    DELETE FROM sms_listmember m
    WHERE m.opt_in_list_id = %(list)s AND NOT EXISTS (
        SELECT FROM found f WHERE f.id = m.subscriber_id
    )
    RETURNING m.subscriber_id
), departed AS (
    UPDATE sms_subscription x
    SET active = false, opted_out_at = now(), source = %(left_source)s, updated_at = now()
    FROM gone
    WHERE x.subscriber_id = gone.subscriber_id AND x.brand_id = %(brand)s AND x.active
        AND NOT {_ELSEWHERE.format(person="gone.subscriber_id")}
    RETURNING x.id
), told AS (
    SELECT
        count(*) FILTER (WHERE active OR back OR (subscription_id IS NULL AND NOT out)) AS verified,
        count(*) FILTER (
            WHERE NOT (coalesce(active, false) OR coalesce(back, false))
                AND (out OR subscription_id IS NOT NULL)
        ) AS kept_out
    FROM known
)
SELECT (SELECT count(*) FROM created),
    (SELECT count(*) FROM created) + (SELECT count(*) FROM subscribed)
        + (SELECT count(*) FROM resubscribed WHERE back),
    (SELECT count(*) FROM created) + told.verified, told.kept_out,
    (SELECT count(*) FROM departed),
    (SELECT count(*) FROM found WHERE id IS NULL AND opted_in_at IS NOT NULL)
        - (SELECT count(*) FROM created)
FROM told
"""
