"""Turning an audience into messages: page by page, each page one short statement.

A page takes the next contacts after the mailing's cursor, writes a message for each (skipped ones
with their reason) and groups the others into planned batches. Cursor and messages commit together,
so that a killed planner goes on exactly where it was.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson
from django.db import connection, transaction

from apps.contacts.eligibility import MailClass, skip_reason_sql
from apps.mail.models import BATCH_SIZE, Mailing

if TYPE_CHECKING:
    from collections.abc import Mapping

# 10,000 rows take some 150 ms: short enough for a pause to be felt at once.
PAGE_SIZE = 10_000


@dataclass(frozen=True)
class Selection:
    """Which contacts are meant: a condition on the contact row `c`, with named parameters.

    `exclude` is a condition too: who meets it is in the audience, but skipped as `excluded`.
    Both come from code of ours (see `campaigns.audience`); values travel in `params`.
    """

    include: str = "true"
    exclude: str = "false"
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class PlannedPage:
    """What one page did; `complete` when the audience ends with it."""

    planned: int
    skipped: dict[str, int]
    batches: int
    complete: bool


# Who is meant, and who of them is skipped why: a dry run asks in the same words.
_PEOPLE = """
    SELECT c.id, c.address,
           CASE WHEN {exclude} THEN 'excluded' ELSE {reason} END AS reason
      FROM contacts_contact c
     WHERE c.brand_id = %(brand)s AND c.id > %(cursor)s AND c.id <= %(until)s AND ({include})
     ORDER BY c.id LIMIT {size}
"""


def people_sql(
    selection: Selection, mail_class: MailClass, *, size: int
) -> tuple[str, dict[str, Any]]:
    """The next `size` people as rows of id, address and reason (null: to be mailed).

    The statement around it gives `brand`, `cursor` and `until` besides the parameters returned.
    """
    reason, params = skip_reason_sql(mail_class, contact_alias="c")
    statement = _PEOPLE.format(
        include=selection.include, exclude=selection.exclude, reason=reason, size=size
    )
    return statement, {**params, **selection.params}


_PAGE = f"""
WITH page AS MATERIALIZED ({{people}}), numbered AS MATERIALIZED (
    SELECT id, address, reason,
           (row_number() OVER (PARTITION BY reason IS NULL ORDER BY id) - 1) / {BATCH_SIZE} AS chunk
      FROM page
), chunks AS MATERIALIZED (
    SELECT chunk, count(*) AS size, nextval(pg_get_serial_sequence('mail_batch', 'id')) AS batch_id
      FROM numbered WHERE reason IS NULL GROUP BY chunk
), batches AS (
    INSERT INTO mail_batch (id, account_id, mailing_id, state, month, size, correlation_id)
    OVERRIDING SYSTEM VALUE
    SELECT batch_id, %(account)s, %(mailing)s, 'planned', %(month)s, size, %(correlation)s
      FROM chunks
), messages AS (
    INSERT INTO mail_message
           (month, mailing_id, contact_id, batch_id, address, state, reason, settled_at)
    SELECT %(month)s, %(mailing)s, numbered.id, chunks.batch_id, numbered.address,
           CASE WHEN numbered.reason IS NULL THEN 'pending' ELSE 'skipped' END,
           coalesce(numbered.reason, ''),
           CASE WHEN numbered.reason IS NULL THEN NULL ELSE statement_timestamp() END
      FROM numbered
      LEFT JOIN chunks ON numbered.reason IS NULL AND chunks.chunk = numbered.chunk
     ORDER BY numbered.id
), reasons AS (
    SELECT reason, count(*) AS number FROM numbered WHERE reason IS NOT NULL GROUP BY reason
)
SELECT (SELECT count(*) FROM page),
       (SELECT min(id) FROM page),
       (SELECT max(id) FROM page),
       (SELECT coalesce(sum(size), 0) FROM chunks)::int,
       (SELECT count(*) FROM chunks),
       (SELECT coalesce(jsonb_object_agg(reason, number), '{{{{}}}}') FROM reasons)::text
"""


def plan_page(*, mailing_id: int, selection: Selection) -> PlannedPage:
    """Plans the next page. Nothing happens where the mailing does not run or is planned already.

    Two planners at once wait for each other at the mailing's row, and the second goes on behind
    the first.
    """
    with transaction.atomic():
        mailing = Mailing.objects.select_for_update(no_key=True).get(pk=mailing_id)
        if mailing.state != Mailing.State.RUNNING or mailing.audience_completed_at:
            return PlannedPage(0, {}, 0, complete=mailing.audience_completed_at is not None)
        page = _insert_page(mailing, selection)
        complete = page.found < PAGE_SIZE
        last = page.last or mailing.audience_until
        _advance(mailing, last, page.planned, page.skipped, complete=complete)
    return PlannedPage(page.planned, page.skipped, page.batches, complete)


@dataclass(frozen=True)
class InsertedPeople:
    """Who was found: how many, the least and the greatest id, and what they were given.

    `planned` of them are to be mailed, in so many `batches`; the others are `skipped` by reason.
    """

    found: int
    first: int | None
    last: int | None
    planned: int
    batches: int
    skipped: dict[str, int]


def _insert_page(mailing: Mailing, selection: Selection) -> InsertedPeople:
    people, params = people_sql(selection, MailClass(mailing.mail_class), size=PAGE_SIZE)
    span = {"cursor": mailing.audience_cursor, "until": mailing.audience_until}
    return insert_messages(mailing, people, {**params, **span})


def insert_messages(mailing: Mailing, people: str, params: Mapping[str, Any]) -> InsertedPeople:
    """Messages and batches for a query of people as `people_sql` makes it; one statement.

    `people` may use `brand`, `mailing` and `month` besides its own parameters.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            _PAGE.format(people=people),
            {
                **params,
                "brand": mailing.brand_id,
                "mailing": mailing.pk,
                "account": mailing.account_id,
                "month": mailing.month,
                "correlation": mailing.correlation_id,
            },
        )
        found, first, last, planned, batches, skipped = cursor.fetchone()
    return InsertedPeople(found, first, last, planned, batches, orjson.loads(skipped))


def _advance(
    mailing: Mailing, last: int, planned: int, skipped: dict[str, int], *, complete: bool
) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "WITH page AS ("
            "  INSERT INTO mail_audiencepage"
            "         (mailing_id, after_contact, until_contact, planned, skipped)"
            "  VALUES (%(mailing)s, %(after)s, %(last)s, %(planned)s, %(skipped)s::jsonb))"
            " UPDATE mail_mailing SET audience_cursor = %(last)s,"
            "        audience_completed_at = CASE WHEN %(complete)s THEN statement_timestamp() END"
            "  WHERE id = %(mailing)s",
            {
                "mailing": mailing.pk,
                "after": mailing.audience_cursor,
                "last": last,
                "planned": planned,
                "skipped": orjson.dumps(skipped).decode(),
                "complete": complete,
            },
        )
