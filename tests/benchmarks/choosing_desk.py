"""The minute's choice inside a station's desk: a full log, and runs against the clock."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.brands.models import Brand
from apps.sms import config
from apps.sms.choosing import parameters, places, pool, running, statements
from apps.sms.models import TextCampaign, TextConfig, TextMessage

CAMPAIGNS, MESSAGES_EACH = 5, 4
# Of 21 days; the choice is made on the 22nd.
DAYS = 21

_PEOPLE = """
INSERT INTO sms_subscriber (phone, timezone, state, opted_in_at, last_engagement)
SELECT '+1' || (2000000000 + n), zone, state, %(at)s, %(at)s - interval '1 day' * (n %% 60)
  FROM generate_series(1, %(people)s) n,
       LATERAL (SELECT (ARRAY['America/New_York', 'America/Chicago', 'America/New_York',
                              'America/Los_Angeles', 'America/Denver', 'America/Chicago'])
                       [1 + n %% 6] AS zone,
                       (ARRAY['NY', 'TX', 'FL', 'CA', 'CO', 'OK'])[1 + n %% 6] AS state) place
"""
_SUBSCRIPTIONS = """
INSERT INTO sms_subscription (subscriber_id, brand_id, opted_in_at, verified_at)
SELECT id, %(brand)s, %(at)s, %(at)s FROM sms_subscriber
"""
_LOG = """
INSERT INTO sms_senttext (local_day, subscriber_id, message_id, campaign_id, brand_id, chunk_id,
                          phone, state, reserved_at, until_at, calling_at, sent_at, settled_at)
SELECT day, s, message, (message - %(message)s) / %(each)s + %(campaign)s, %(brand)s, n / 100,
       '+1' || (2000000000 + s), 'sent', moment, moment, moment, moment, moment
  FROM (SELECT n, %(person)s + n %% %(people)s AS s,
               %(month)s::date + (n / %(people)s * %(days)s / %(turns)s)::int AS day,
               %(message)s + ((hashint8(n %% %(people)s) & 65535) + n / %(people)s * 7)
                             %% %(messages)s AS message,
               %(month)s::timestamptz + interval '15 hours'
                   + interval '1 day' * (n / %(people)s * %(days)s / %(turns)s)::int
                   + interval '0.05 second' * (n %% %(people)s) AS moment
          FROM generate_series(0::bigint, %(rows)s - 1) n) made
"""
_TALLY = """
INSERT INTO sms_texttally (subscriber_id, day, texts, last_at)
SELECT id, %(at)s::date - 1, 1, %(at)s - interval '1 day' FROM sms_subscriber
"""
_INDEXES = """
SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid)
  FROM pg_index WHERE indrelid = 'sms_senttext'::regclass AND NOT indisprimary
"""
# What was asked before, for the daily cap alone. The log ends the day before: that day counts.
_PEER = """
SELECT count(*) FROM (
SELECT s.id FROM sms_subscriber s
  LEFT JOIN (SELECT subscriber_id, count(*) AS sent_today FROM sms_senttext
              WHERE reserved_at >= %(since)s AND local_day >= %(since)s::date
              GROUP BY subscriber_id) logs ON logs.subscriber_id = s.id
 WHERE s.status = 'ACTIVE' AND (logs.sent_today IS NULL OR logs.sent_today < 4)
   AND s.last_engagement >= %(engaged)s) eligible
"""


def moment() -> datetime:
    """The 22nd of this month, when all zones of the people are awake."""
    now = datetime.now(tz=UTC)
    return datetime(now.year, now.month, DAYS + 1, 18, 0, tzinfo=UTC)


def fill(*, people: int, rows: int) -> dict[str, float]:
    """People, messages and a month's log; returns its size in MB, of rows and of indexes."""
    brand, at = Brand.objects.get(), moment()
    TextConfig.objects.update_or_create(
        brand=None, defaults={"sending": True, "gap_minutes": 0, "verify_max_age_hours": 0}
    )
    # Twice what each has had of a campaign in a week: with a fixed cap a long log leaves nobody.
    messages = _messages(brand, weekly_cap=2 * rows * 7 // (people * DAYS * CAMPAIGNS))
    with connection.cursor() as cursor:
        given: dict[str, Any] = {"people": people, "brand": brand.pk, "at": at}
        cursor.execute(_PEOPLE, given)
        cursor.execute(_SUBSCRIPTIONS, given)
        cursor.execute(_TALLY, given)
        cursor.execute("SELECT min(id) FROM sms_subscriber")
        person = cursor.fetchone()[0]
        _fill_log(
            cursor,
            {
                **given, "rows": rows, "person": person, "days": DAYS,
                "turns": -(-rows // people), "month": at.date().replace(day=1),
                "message": messages[0].pk, "campaign": messages[0].campaign_id,
                "each": MESSAGES_EACH, "messages": len(messages),
            },
        )  # fmt: skip
        cursor.execute("VACUUM (ANALYZE)")
        partition = f"sms_senttext_{at:%Y_%m}"
        cursor.execute("SELECT pg_relation_size(%s), pg_indexes_size(%s)", [partition] * 2)
        table, indexes = cursor.fetchone()
    return {"table_mb": table / 1e6, "indexes_mb": indexes / 1e6}


def _messages(brand: Brand, *, weekly_cap: int) -> list[TextMessage]:
    made = []
    for n in range(CAMPAIGNS):
        campaign = TextCampaign.objects.create(
            brand=brand,
            name=f"campaign {n}",
            state=TextCampaign.State.RUNNING,
            weekly_cap=weekly_cap,
        )
        made += [
            TextMessage.objects.create(campaign=campaign, brand=brand, body="Hello", weight=1 + k)
            for k in range(MESSAGES_EACH)
        ]
    return made


def _fill_log(cursor: Any, given: dict[str, Any]) -> None:
    """Indexes are made anew after the rows, as a month of inserts would be too slow to wait for."""
    cursor.execute(_INDEXES)
    definitions = dict(cursor.fetchall())
    for name in definitions:
        cursor.execute(f"DROP INDEX {name}")
    cursor.execute(_LOG, given)
    if cursor.rowcount != given["rows"]:
        raise RuntimeError("the log was not filled: no figure counts")
    for definition in definitions.values():
        cursor.execute(definition.replace(" ON ONLY ", " ON "))


def choose(*, rounds: int) -> dict[str, Any]:
    """Milliseconds of choosing 40,000 of all, of looking at all in vain, and of the peer's query.

    Choosing is all statements but the ones that write. The plan is the choosing statement's.
    """
    brand, at = Brand.objects.get(), moment()
    chosen, in_vain, peer = [], [], []
    with connection.cursor() as cursor:
        cursor.execute(running._PREPARE.replace("true", "false"))
        for _ in range(rounds):
            chosen.append(_timed(cursor, brand.pk, at, expected=40_000))
            in_vain.append(
                _timed(cursor, brand.pk, at, expected=0, verified_after=at + timedelta(days=1))
            )
            started = time.perf_counter()
            since = {"since": at - timedelta(hours=36), "engaged": at - timedelta(days=90)}
            cursor.execute(_PEER, since)
            cursor.fetchone()
            peer.append((time.perf_counter() - started) * 1000)
        statement, given = _asked(brand.pk, at)
        cursor.execute(f"EXPLAIN (COSTS OFF) {statement}", given)
        plan = "\n".join(line for (line,) in cursor.fetchall())
    return {"chosen": chosen, "in_vain": in_vain, "peer": peer, "plan": plan}


def _asked(brand: int, at: datetime) -> tuple[str, dict[str, Any]]:
    """The statement that chooses, and its parameters."""
    choices = pool.read_pool(brand_id=brand, at=at)
    given = parameters.build(
        brand_id=brand, config=config.read(brand), choices=choices, at=at,
        pairs=places.read_pairs(),
    )  # fmt: skip
    given |= {"cursor": 0, "limit": 40_000, "seed": 7, "correlation": "benchmark"}
    return statements.count(parameters.shape_of(choices)), given


def _timed(cursor: Any, brand: int, at: datetime, *, expected: int, **changed: Any) -> float:
    started = time.perf_counter()
    statement, given = _asked(brand, at)
    cursor.execute(statement, {**given, **changed})
    found = cursor.fetchone()[1]
    taken = (time.perf_counter() - started) * 1000
    if found != expected:
        raise RuntimeError(f"{found} were chosen instead of {expected}: no figure counts")
    return taken


def reserve(*, rounds: int) -> dict[str, Any]:
    """Seconds of whole runs that reserve 40,000 each, and how many statements one takes."""
    brand, at = Brand.objects.get(), moment()
    seconds, counts = [], []
    for minute in range(rounds):
        with CaptureQueriesContext(connection) as captured:
            started = time.perf_counter()
            figures = running.run(brand_id=brand.pk, minute=at + timedelta(minutes=minute), at=at)
            seconds.append(time.perf_counter() - started)
        if figures.reserved != 40_000:
            raise RuntimeError(f"{figures} were reserved: no figure counts")
        counts.append(sum(not re.match("BEGIN|COMMIT|SAVEPOINT", one["sql"]) for one in captured))
    return {"seconds": seconds, "statements": counts}
