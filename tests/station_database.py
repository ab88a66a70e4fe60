"""A station's database as its harness sees it: plain SQL, also across crashes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.rows import dict_row

if TYPE_CHECKING:
    from collections.abc import Mapping

Params = list[Any] | dict[str, Any] | None

_CONTACTS = """
INSERT INTO contacts_contact
       (brand_id, email, address, first_name, last_name, traits, status)
SELECT %(brand)s, %(prefix)s || n || '@' || %(domain)s, %(prefix)s || n || '@' || %(domain)s,
       'Ada' || n, 'Lovelace',
       jsonb_build_object('plan', CASE n %% 3 WHEN 0 THEN 'pro' ELSE 'free' END, 'city', 'Turin',
                          'favourites', jsonb_build_array('Tea', 'Maps', 'Bread'))
       || %(traits)s::jsonb,
       'subscribed'
  FROM generate_series(1, %(number)s) n
"""
_DESCRIPTIONS = {
    "mailings": "SELECT id, state, state_reason, audience_completed_at IS NOT NULL AS planned"
    " FROM mail_mailing ORDER BY id",
    "batches": "SELECT state, ambiguous, count(*), min(due_at - now())::text AS due_in,"
    " max(attempts) AS attempts, max(last_error) AS error FROM mail_batch GROUP BY 1, 2 ORDER BY 1",
    "dead letters": "SELECT queue, reason, count(*) FROM queues_deadletter GROUP BY 1, 2",
    "accounts": "SELECT id, rate_limit, stopped_reason FROM brands_provideraccount",
}


class StationDatabase:
    """One connection, opened when it is needed, committing each statement."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: psycopg.Connection[dict[str, Any]] | None = None

    def query(self, statement: str, params: Params = None) -> list[dict[str, Any]]:
        """The rows of a statement, none where it yields none.

        Raises psycopg.OperationalError while the database is away; `close` lets go of what a crash
        has broken.
        """
        if self._connection is None or self._connection.closed:
            self._connection = self.connect()
        cursor = self._connection.execute(statement, params)
        return cursor.fetchall() if cursor.description else []

    def connect(self) -> psycopg.Connection[dict[str, Any]]:
        """A connection of its own for the caller, to be closed."""
        return psycopg.connect(self._url, autocommit=True, row_factory=dict_row)

    def close(self) -> None:
        """Let go of the connection; the next statement opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def add_contacts(
        self, number: int, *, brand: int, prefix: str, domain: str, traits: Mapping[str, str]
    ) -> None:
        """Subscribed people by one statement."""
        params = {"brand": brand, "number": number, "prefix": prefix, "domain": domain}
        self.query(_CONTACTS, {**params, "traits": json.dumps(dict(traits))})
        self.query("ANALYZE contacts_contact")

    def describe(self) -> list[str]:
        """Mailings, batches, dead letters and accounts, a line each."""
        return [f"{title}: {self._shown(one)}" for title, one in _DESCRIPTIONS.items()]

    def _shown(self, statement: str) -> str:
        try:
            return str(self.query(statement))
        except psycopg.Error as error:
            return type(error).__name__
