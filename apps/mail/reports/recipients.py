"""Everybody a mailing was meant for: state, reason, times; page by page, however many there are.

There is no index on a message's state, so that settling stays cheap (docs/adr/0003). Each question
is walked along an index that leads to its answer: a mailing's people in the order of their ids,
the batches whose counts say that they hold such messages, or contacts by address. A page looks at
a bounded number of rows; where few of them match, it may be short, and still name the next one.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson
from django.db import connection

from apps.mail.errors import MailError
from apps.mail.models import Mailing, Message

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

PAGE_SIZE = 50
LARGEST_PAGE = 2_000
# So many messages are looked at for a page; some 100 ms.
LOOKED_AT = 20_000
BATCHES_LOOKED_AT = LOOKED_AT // 100
ADDRESSES_LOOKED_AT = 5_000
# With more pages of its audience (10,000 people each) a mailing's people are looked up by their
# address among the brand's contacts, not among its messages.
FEW_AUDIENCE_PAGES = 2
SEARCH_LIMIT = 200
END_OF_WALK = 2**63 - 1


class InvalidCursorError(MailError):
    """The cursor is not one of ours, or of another question. Begin with the first page."""


@dataclass(frozen=True)
class Question:
    """Which recipients: of a state, of a reason, of addresses that begin so. Empty means all."""

    state: str = ""
    reason: str = ""
    search: str = ""


@dataclass(frozen=True)
class Recipient:
    """One message and what became of it. `delivery` is a `Message.Delivery`."""

    message_id: int
    contact_id: int | None
    batch_id: int | None
    address: str
    state: str
    reason: str
    detail: str
    provider_id: str
    delivery: int
    created_at: datetime
    settled_at: datetime | None
    delivery_at: datetime | None
    opened_at: datetime | None
    clicked_at: datetime | None
    machine_opened_at: datetime | None
    machine_clicked_at: datetime | None


@dataclass(frozen=True)
class RecipientPage:
    """`next_cursor` is empty on the last page."""

    recipients: Sequence[Recipient]
    next_cursor: str


_COLUMNS = """
       message.id, message.contact_id, message.batch_id, message.address, message.state,
       message.reason, message.detail, message.provider_id, message.delivery, message.created_at,
       message.settled_at, message.delivery_at, message.opened_at, message.clicked_at,
       message.machine_opened_at, message.machine_clicked_at
"""
_MATCHES = """
   (%(state)s = '' OR message.state = %(state)s)
   AND (%(reason)s = '' OR message.reason = %(reason)s)
   AND (%(search)s = '' OR starts_with(message.address, %(search)s))
"""


@dataclass(frozen=True)
class Walk:
    """One way through a mailing's messages, along one index.

    `statement` looks at the next rows behind a place, at most at its bound, and yields those that
    match, each with its own place. `end` tells the last row that it may have looked at, or nothing
    where its bound was not met.
    """

    name: str
    statement: str
    end: str


def _walk(name: str, *, place: str, condition: str) -> Walk:
    """Looks at messages themselves, each placed by a number that rises.

    Not by `mailing_id = …`: the order would then be one of places alone, and another index on them
    look as good, which passes all messages of other mailings.
    """
    behind = f"""
      FROM mail_message message
     WHERE message.month = %(month)s
       AND (message.mailing_id, message.{place}) > (%(mailing)s, %(place)s)
       AND message.mailing_id <= %(mailing)s AND {condition}
     ORDER BY message.mailing_id, message.{place}
"""
    return Walk(
        name,
        f"""
SELECT message.{place}, 0, {_COLUMNS}
  FROM (SELECT * {behind} LIMIT %(messages)s) message
 WHERE {_MATCHES} ORDER BY message.mailing_id, message.{place} LIMIT %(limit)s
""",
        f"SELECT message.{place} {behind} OFFSET %(messages)s - 1 LIMIT 1",
    )


_EVERYBODY = _walk("everybody", place="contact_id", condition="idempotency_key IS NULL")
_STREAM = _walk("stream", place="id", condition="idempotency_key IS NOT NULL")
_WITHOUT_BATCH = _walk(
    "without_batch", place="id", condition="batch_id IS NULL AND idempotency_key IS NULL"
)


def _by_batch(state: str, holds: str) -> Walk:
    """The messages of the batches whose own counts say that they hold some of the state."""
    batches = f"""
     FROM mail_batch
    WHERE mailing_id = %(mailing)s AND id >= %(place)s AND {holds} ORDER BY id
"""
    return Walk(
        f"batch_{state}",
        f"""
SELECT message.batch_id, message.id, {_COLUMNS}
  FROM (SELECT id {batches} LIMIT %(batches)s) looked_at
 CROSS JOIN LATERAL (
       SELECT * FROM mail_message message
        WHERE message.month = %(month)s AND message.batch_id = looked_at.id
          AND (looked_at.id > %(place)s OR message.id > %(within)s) AND {_MATCHES}
       ) message
 ORDER BY looked_at.id, message.id LIMIT %(limit)s
""",
        f"SELECT id + 1 {batches} OFFSET %(batches)s - 1 LIMIT 1",
    )


_BY_STATE: dict[str, tuple[Walk, ...]] = {
    Message.State.SENT: (_by_batch("sent", "sent > 0"),),
    Message.State.FAILED: (_by_batch("failed", "failed > 0"),),
    Message.State.UNKNOWN: (_by_batch("unknown", "unknown > 0"),),
    Message.State.PENDING: (_by_batch("pending", "state IN ('planned', 'calling')"),),
    Message.State.SKIPPED: (_WITHOUT_BATCH, _by_batch("skipped", "skipped > 0")),
}

# By the contact's address: the index of contacts compares bytes, so that a prefix is a range of it.
_CONTACTS = """
     FROM contacts_contact
    WHERE brand_id = %(brand)s AND address > %(address)s
      AND address >= %(search)s AND address < %(search_end)s
    ORDER BY address
"""
_BY_ADDRESS = Walk(
    "address",
    f"""
SELECT looked_at.address, 0, {_COLUMNS}
  FROM (SELECT id, address {_CONTACTS} LIMIT %(addresses)s) looked_at
 CROSS JOIN LATERAL (
       SELECT * FROM mail_message message
        WHERE message.month = %(month)s AND message.mailing_id = %(mailing)s
          AND message.contact_id = looked_at.id AND message.idempotency_key IS NULL
          AND (%(state)s = '' OR message.state = %(state)s)
          AND (%(reason)s = '' OR message.reason = %(reason)s)
       ) message
 ORDER BY looked_at.address LIMIT %(limit)s
""",
    f"SELECT address {_CONTACTS} OFFSET %(addresses)s - 1 LIMIT 1",
)


@dataclass(frozen=True)
class _Place:
    """Where a walk goes on: in which walk of the question, and behind what."""

    walk: int = 0
    behind: int | str | None = None
    within: int = 0


def recipients(
    mailing: Mailing, question: Question, *, cursor: str = "", size: int = PAGE_SIZE
) -> RecipientPage:
    """The next people; two statements a page, four where a walk ends on it.

    Raises `InvalidCursorError`.
    """
    walks = _walks(mailing, question)
    place = _decode(cursor, walks)
    found: list[Recipient] = []
    while True:
        wanted = min(size, LARGEST_PAGE) - len(found)
        rows, reached = _step(walks[place.walk], mailing, question, place, wanted + 1)
        found += [_recipient(row) for row in rows[:wanted]]
        if len(rows) > wanted:
            last = rows[wanted - 1]
            return _page(found, walks, _Place(place.walk, last[0], last[1]))
        if reached is not None:
            return _page(found, walks, _Place(place.walk, reached))
        if place.walk + 1 == len(walks):
            return RecipientPage(found, "")
        place = _Place(place.walk + 1)
        if len(found) == size:
            return _page(found, walks, place)


def everybody(mailing: Mailing, question: Question) -> Iterator[Recipient]:
    """All that match, read in pages: memory stays flat for a million."""
    cursor = ""
    while True:
        page = recipients(mailing, question, cursor=cursor, size=LARGEST_PAGE)
        yield from page.recipients
        cursor = page.next_cursor
        if not cursor:
            return


def _walks(mailing: Mailing, question: Question) -> tuple[Walk, ...]:
    if mailing.kind == Mailing.Kind.STREAM:
        return (_STREAM,)
    if question.search and _is_large(mailing):
        return (_BY_ADDRESS,)
    return _BY_STATE.get(question.state, (_EVERYBODY,))


def _is_large(mailing: Mailing) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) > %s FROM"
            " (SELECT 1 FROM mail_audiencepage WHERE mailing_id = %s LIMIT %s) pages",
            [FEW_AUDIENCE_PAGES, mailing.pk, FEW_AUDIENCE_PAGES + 1],
        )
        return bool(cursor.fetchone()[0])


def _step(
    walk: Walk, mailing: Mailing, question: Question, place: _Place, limit: int
) -> tuple[list[tuple[Any, ...]], int | str | None]:
    """The rows that match, and where it stopped looking if not at the end of the walk."""
    by_address = walk is _BY_ADDRESS
    search = question.search[:SEARCH_LIMIT].lower().replace("\x00", "")
    params: dict[str, Any] = {
        "month": mailing.month,
        "mailing": mailing.pk,
        "brand": mailing.brand_id,
        "state": question.state,
        "reason": question.reason,
        "search": search,
        # The character after the last of ASCII: addresses have no other.
        "search_end": search + "\x7f",
        "place": 0 if by_address else place.behind or 0,
        "address": (place.behind or "") if by_address else "",
        "within": place.within,
        "limit": limit,
        "messages": LOOKED_AT,
        "batches": BATCHES_LOOKED_AT,
        "addresses": ADDRESSES_LOOKED_AT,
    }
    with connection.cursor() as cursor:
        cursor.execute(walk.statement, params)
        rows = cursor.fetchall()
        if len(rows) == limit:
            return rows, None
        cursor.execute(walk.end, params)
        end = cursor.fetchone()
    return rows, end[0] if end else None


def _recipient(row: tuple[Any, ...]) -> Recipient:
    return Recipient(*row[2:])


def _page(found: Sequence[Recipient], walks: tuple[Walk, ...], place: _Place) -> RecipientPage:
    return RecipientPage(found, _encode(walks[place.walk], place))


def _encode(walk: Walk, place: _Place) -> str:
    raw = orjson.dumps([walk.name, place.behind, place.within])
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _decode(cursor: str, walks: tuple[Walk, ...]) -> _Place:
    if not cursor:
        return _Place()
    wrong = InvalidCursorError("cursor: it is none of this list; begin with its first page.")
    try:
        raw = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        name, behind, within = raw
    except (binascii.Error, ValueError, TypeError):
        raise wrong from None
    index = next((place for place, walk in enumerate(walks) if walk.name == name), None)
    kind = str if walks[0] is _BY_ADDRESS else int
    if index is None or not _fits(behind, kind) or not _fits(within, int):
        raise wrong
    return _Place(index, behind, within)


def _fits(value: object, kind: type) -> bool:
    """Whether it is a place that the database can compare with: no bool, no huge number."""
    if value is None:
        return True
    if isinstance(value, int) and not isinstance(value, bool):
        return kind is int and 0 <= value <= END_OF_WALK
    return kind is str and isinstance(value, str) and "\x00" not in value
