"""Look-ups that are made all the time are answered by indexes, however large the tables are."""

from __future__ import annotations

import pytest
from django.db import connection

from tests.integration.sms.town import DAY, NOON, Town

pytestmark = pytest.mark.django_db
MANY = 20_000

_PEOPLE = """
INSERT INTO sms_subscriber (phone, email, timezone, state, status)
SELECT '+1' || 3000000000 + n, CASE WHEN n %% 10 = 0 THEN 'p' || n || '@people.example' END,
       (ARRAY['America/New_York', 'America/Chicago'])[1 + n %% 2], 'NY',
       CASE WHEN n %% 50 = 0 THEN 'OPTOUT' ELSE 'ACTIVE' END
  FROM generate_series(1, %s) n
"""
_TEXTS = """
INSERT INTO sms_senttext (local_day, subscriber_id, message_id, campaign_id, brand_id, chunk_id,
                          phone, reserved_at, until_at)
SELECT %s, id, 1 + id %% 20, 1, 1, id / 100, phone, %s, %s FROM sms_subscriber
"""
_ONCE = "subscriber_id_local_day_message_id"
LOOK_UPS = {
    "SELECT id FROM sms_subscriber WHERE phone = '+13000000007'": "subscriber_phone_once",
    "SELECT id FROM sms_subscriber WHERE email = 'p10@people.example'": "subscriber_by_email",
    """SELECT id FROM sms_subscriber WHERE status = 'OPTOUT'
          AND timezone = 'America/Chicago'""": "subscriber_by_status_and_zone",
    # By subscriber and time: the daily cap, and a person's time line.
    f"""SELECT count(*) FROM sms_senttext WHERE subscriber_id = 7
           AND local_day = '{DAY}' AND counts""": _ONCE,
    f"""SELECT reserved_at FROM sms_senttext WHERE subscriber_id = 7 AND local_day <= '{DAY}'
           AND local_day > '{DAY}'::date - 7 ORDER BY local_day DESC LIMIT 20""": _ONCE,
    # By subscriber, message and time: the caps of a week.
    f"""SELECT count(*) FROM sms_senttext WHERE subscriber_id = 7 AND message_id = 8
           AND local_day > '{DAY}'::date - 7 AND local_day <= '{DAY}'""": _ONCE,
    f"SELECT id FROM sms_senttext WHERE chunk_id = 7 AND local_day = '{DAY}'": "chunk_id",
    f"SELECT id FROM sms_senttext WHERE message_id = 7 AND local_day = '{DAY}'": "message_id",
}


def test_look_ups_are_by_index() -> None:
    Town()
    with connection.cursor() as cursor:
        cursor.execute(_PEOPLE, [MANY])
        cursor.execute(_TEXTS, [DAY, NOON, NOON])
        cursor.execute("ANALYZE sms_subscriber, sms_senttext")
        for statement, index in LOOK_UPS.items():
            cursor.execute(f"EXPLAIN (COSTS OFF) {statement}")
            plan = "\n".join(line for (line,) in cursor.fetchall())

            assert index in plan, plan
            assert "Seq Scan on sms" not in plan, plan
