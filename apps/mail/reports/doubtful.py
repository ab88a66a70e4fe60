"""Mails in doubt that somebody should look up at the provider."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db import connection

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

LISTED_AT_MOST = 200
BATCHES_LOOKED_AT = 1_000


@dataclass(frozen=True)
class Doubt:
    """The mails in doubt of one mailing in one batch; single mails share batches."""

    batch_id: int
    mailing_id: int
    mailing: str
    brand: str
    number: int
    since: datetime
    error: str


_DOUBTS = f"""
SELECT batch.id, mailing.id, mailing.name, brand.name, count(*), batch.settled_at, batch.last_error
  FROM (SELECT * FROM mail_batch WHERE state = 'unknown'
         ORDER BY settled_at LIMIT {BATCHES_LOOKED_AT}) batch
  JOIN mail_message message ON message.month = batch.month AND message.batch_id = batch.id
   AND message.state = 'unknown'
  JOIN mail_mailing mailing ON mailing.id = message.mailing_id
  JOIN brands_brand brand ON brand.id = mailing.brand_id
 WHERE mailing.brand_id = ANY(%s)
 GROUP BY batch.id, mailing.id, mailing.name, brand.name, batch.settled_at, batch.last_error
 ORDER BY batch.settled_at, batch.id, mailing.id LIMIT {LISTED_AT_MOST}
"""


def doubts(brand_ids: Collection[int]) -> Sequence[Doubt]:
    """The oldest first; one query."""
    with connection.cursor() as cursor:
        cursor.execute(_DOUBTS, [list(brand_ids)])
        return [Doubt(*row) for row in cursor.fetchall()]


# The counts of batches tell it for bulk; only batches of single mails are looked into.
_NUMBER = f"""
SELECT coalesce((
       SELECT sum(batch.unknown) FROM mail_batch batch
         JOIN mail_mailing mailing ON mailing.id = batch.mailing_id
        WHERE batch.state = 'unknown' AND mailing.brand_id = ANY(%(brands)s)), 0)
     + (SELECT count(*)
          FROM (SELECT * FROM mail_batch WHERE state = 'unknown' AND mailing_id IS NULL
                 LIMIT {BATCHES_LOOKED_AT}) batch
          JOIN mail_message message ON message.month = batch.month AND message.batch_id = batch.id
           AND message.state = 'unknown'
          JOIN mail_mailing mailing ON mailing.id = message.mailing_id
         WHERE mailing.brand_id = ANY(%(brands)s))
"""


def number_in_doubt(brand_ids: Collection[int]) -> int:
    """How many mails of the brands are in doubt; one query."""
    with connection.cursor() as cursor:
        cursor.execute(_NUMBER, {"brands": list(brand_ids)})
        return int(cursor.fetchone()[0])
