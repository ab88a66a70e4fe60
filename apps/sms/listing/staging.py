"""The table in which a list's people wait for the merge, filled by COPY.

It is temporary: it goes with its connection, so that no end of a worker leaves one behind, and no
other worker ever sees half of a list.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import connection

from apps.sms import zones

if TYPE_CHECKING:
    from apps.sms.listing.records import Candidate

TABLE = "sms_list_people"
CHUNK_ROWS = 5_000

_CREATE = f"""
CREATE TEMPORARY TABLE {TABLE} (
    phone text COLLATE "C" NOT NULL,
    opted_in timestamp,
    first_name text NOT NULL,
    last_name text NOT NULL,
    email text,
    timezone text NOT NULL,
    state text NOT NULL
)
"""


def create() -> None:
    drop()
    _execute(_CREATE)


def drop() -> None:
    _execute(f"DROP TABLE IF EXISTS pg_temp.{TABLE}")


def analyse() -> None:
    """Tells the planner how many rows there are, before they are joined."""
    _execute(f"ANALYZE pg_temp.{TABLE} (phone)")


def row(person: Candidate) -> str | None:
    """The person with zones and state as COPY reads it; None where the number is none."""
    try:
        phone, timezone, state = zones.locate(person.number)
    except zones.PhoneError:
        return None
    first, last, email = person.first_name, person.last_name, person.email or "\\N"
    if "\\" in first or "\\" in last or "\\" in person.email:
        first, last = _escaped(first), _escaped(last)
        email = _escaped(person.email) or "\\N"
    opted_in = person.opted_in or "\\N"
    return f"{phone}\t{opted_in}\t{first}\t{last}\t{email}\t{timezone}\t{state}\n"


def copy(rows: list[str]) -> None:
    """Puts rows into the table."""
    with (
        connection.cursor() as cursor,
        cursor.copy(f"COPY pg_temp.{TABLE} FROM STDIN") as copying,
    ):
        copying.write("".join(rows).encode())


def _escaped(text: str) -> str:
    # Names hold no other white space than blanks, and addresses hold none.
    return text.replace("\\", "\\\\")


def _execute(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)
