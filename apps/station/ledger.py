"""Our ledger against the provider's own log, row by row.

The log is copied into a temporary table and joined with the messages of one mailing, so that a
million rows need no more memory here than a thousand. Findings name messages and provider ids,
never addresses.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson
from django.db import connection, transaction

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

EXAMPLES = 10


class UnknownMailingError(Exception):
    """There is no mailing with this id, so there is nothing to compare."""


class UnreadableLogError(Exception):
    """A line of the log is not what the sandbox writes; the text names the line."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One kind of disagreement: how often, and the first ten in words."""

    count: int = 0
    examples: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Joined:
    """A table of both ledgers side by side; `key` is our row's id, `row` and `nobodys` words."""

    table: str
    key: str
    row: str
    nobodys: str


_BOTH = Joined("ledger_joined", "message_id", "message", "no message tag")


@dataclass(frozen=True, slots=True)
class Comparison:
    """What the ledger calls sent, what the provider accepted, and where they differ.

    `unknown` messages are neither right nor wrong: the ledger says of itself that it does not
    know. `unknown_accepted` of them are in the log.
    """

    mailing_id: int
    sent: int
    """Messages that the ledger calls sent."""
    accepted: int
    """Lines of the log that carry this mailing's tag, and those that carry no readable tag."""
    matching: int
    """Sent messages found exactly once, with the same provider id and address."""
    missing: Finding
    """Sent, but not in the log."""
    doubled: Finding
    """In the log more than once, whatever the ledger says."""
    foreign: Finding
    """In the log, but not sent in the ledger."""
    mismatched: Finding
    """In the log once, under another provider id or address."""
    unknown: int = 0
    unknown_accepted: int = 0
    elsewhere: int = 0
    """Lines that belong to other mailings; left out."""

    @property
    def agrees(self) -> bool:
        """Whether nothing is lost, doubled, foreign or mixed up."""
        findings = (self.missing, self.doubled, self.foreign, self.mismatched)
        return self.sent == self.matching and not any(one.count for one in findings)


def read_log(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of an append-only log; one that is still being written is left out.

    Raises `UnreadableLogError`, and OSError where there is no such file.
    """
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if line.endswith(b"\n"):
                yield _read_line(line, number)


def _read_line(line: bytes, number: int) -> dict[str, Any]:
    try:
        found = orjson.loads(line)
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, dict) or not {"id", "to", "tags"} <= found.keys():
        raise UnreadableLogError(
            f"line {number} of the log is no accepted message; expected a JSON object with id, "
            "to and tags"
        )
    return found


_LOG_TABLE = """
CREATE TEMPORARY TABLE ledger_log (
    provider_id text NOT NULL, address text NOT NULL, message_id bigint
) ON COMMIT DROP
"""

# One row per message id of either side. Lines without a readable message tag stay apart: each of
# them is foreign on its own.
_JOINED = """
CREATE TEMPORARY TABLE ledger_joined ON COMMIT DROP AS
SELECT coalesce(ours.id, theirs.message_id) AS message_id, ours.state,
       coalesce(theirs.lines, 0) AS lines, theirs.provider_id,
       ours.provider_id = theirs.provider_id AS same_id,
       ours.address = theirs.address AS same_address
  FROM (SELECT id, state, provider_id, address FROM mail_message
         WHERE month = %(month)s AND mailing_id = %(mailing)s) ours
  FULL JOIN (SELECT message_id, count(*) AS lines, min(provider_id) AS provider_id,
                    min(address) AS address
               FROM ledger_log WHERE message_id IS NOT NULL GROUP BY message_id) theirs
    ON theirs.message_id = ours.id
UNION ALL
SELECT NULL, NULL, 1, provider_id, NULL, NULL FROM ledger_log WHERE message_id IS NULL
"""

_COUNTS = """
SELECT count(*) FILTER (WHERE state = 'sent'),
       coalesce(sum(lines), 0),
       count(*) FILTER (WHERE state = 'sent' AND lines = 1 AND same_id AND same_address),
       count(*) FILTER (WHERE state = 'unknown'),
       count(*) FILTER (WHERE state = 'unknown' AND lines > 0)
  FROM ledger_joined
"""

_FINDINGS = {
    "missing": ("state = 'sent' AND lines = 0", "'sent, but not in the log'"),
    "doubled": ("lines > 1", "lines || ' times in the log'"),
    "foreign": (
        "lines > 0 AND state IS DISTINCT FROM 'sent' AND state IS DISTINCT FROM 'unknown'",
        "'accepted as ' || provider_id || ', but ' || coalesce(state, 'not in the ledger')",
    ),
    "mismatched": (
        "state = 'sent' AND lines = 1 AND NOT (same_id AND same_address)",
        "CASE WHEN same_id THEN 'another address' ELSE 'another id, ' || provider_id END",
    ),
}


def compare(mailing_id: int, accepted: Iterable[Mapping[str, Any]]) -> Comparison:
    """Compare the messages of a mailing with the provider's log of accepted messages.

    `accepted` yields the log's lines (`id`, `to`, `tags`), in any order and of any number of
    mailings; a million need some ten seconds. Raises `UnknownMailingError`.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT month FROM mail_mailing WHERE id = %s", [mailing_id])
        row = cursor.fetchone()
        if row is None:
            raise UnknownMailingError(f"there is no mailing {mailing_id}")
        cursor.execute(_LOG_TABLE)
        elsewhere = _copy(cursor, mailing_id, accepted)
        cursor.execute("ANALYZE ledger_log")
        cursor.execute(_JOINED, {"month": row[0], "mailing": mailing_id})
        cursor.execute(_COUNTS)
        sent, lines, matching, unknown, unknown_accepted = map(int, cursor.fetchone())
        findings = {kind: finding(cursor, _BOTH, *how) for kind, how in _FINDINGS.items()}
        # A caller may have a transaction open, and compare once more in it.
        cursor.execute("DROP TABLE ledger_joined, ledger_log")
    return Comparison(
        mailing_id=mailing_id,
        sent=sent,
        accepted=lines,
        matching=matching,
        unknown=unknown,
        unknown_accepted=unknown_accepted,
        elsewhere=elsewhere,
        **findings,
    )


def _copy(cursor: Any, mailing_id: int, accepted: Iterable[Mapping[str, Any]]) -> int:
    """Copy the lines that concern the mailing; returns how many belong to others."""
    elsewhere = 0
    statement = "COPY ledger_log (provider_id, address, message_id) FROM STDIN"
    with cursor.copy(statement) as rows:
        for line in accepted:
            mailing = _number(line["tags"].get("mailing"))
            if mailing is not None and mailing != mailing_id:
                elsewhere += 1
                continue
            message = None if mailing is None else _number(line["tags"].get("message"))
            rows.write_row((line["id"], ",".join(line["to"]), message))
    return elsewhere


def _number(tag: object) -> int | None:
    """An id from a tag; None for anything that no id of ours looks like."""
    text = str(tag)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None  # noqa: PLR2004 - a bigint


def finding(cursor: Any, joined: Joined, condition: str, words: str) -> Finding:
    """How many rows are so, with examples; `condition` and `words` are SQL of ours."""
    cursor.execute(f"SELECT count(*) FROM {joined.table} WHERE {condition}")
    count = int(cursor.fetchone()[0])
    if not count:
        return Finding()
    cursor.execute(
        f"SELECT coalesce('{joined.row} ' || {joined.key}, '{joined.nobodys}') || ': ' || {words}"
        f"  FROM {joined.table} WHERE {condition} ORDER BY {joined.key} LIMIT {EXAMPLES}"
    )
    return Finding(count, tuple(row[0] for row in cursor.fetchall()))
