"""Statements that the database plans once for a connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection, transaction
from django.db.utils import NotSupportedError
from django.test.utils import CaptureQueriesContext

from apps.queues.database import preparing_cursor

if TYPE_CHECKING:
    from collections.abc import Iterator

QUERY = "SELECT number FROM slip WHERE number = %(number)s::int"

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _slip() -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE slip AS SELECT 7 AS number")
    yield
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE slip")
    connection.close()


def ask(number: int = 7) -> list[Any]:
    with preparing_cursor() as cursor:
        cursor.execute(QUERY, {"number": number})
        return list(cursor.fetchall())


def prepared() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement FROM pg_prepared_statements")
        return [row[0] for row in cursor.fetchall()]


def test_what_asks_for_it_is_prepared_and_nothing_else() -> None:
    answers = [ask() for _ in range(10)]
    with connection.cursor() as cursor:
        for _ in range(10):
            cursor.execute("SELECT count(*) FROM slip")

    assert answers == [[(7,)]] * 10
    assert [one.partition(" WHERE")[0] for one in prepared()] == ["SELECT number FROM slip"]


def test_statements_are_logged_as_all_others() -> None:
    ask()

    with CaptureQueriesContext(connection) as captured:
        ask()

    assert [one["sql"].partition(" WHERE")[0] for one in captured] == ["SELECT number FROM slip"]


def test_a_column_that_changed_its_type_is_planned_anew() -> None:
    ask()
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE slip ALTER number TYPE bigint")

    assert [ask(), ask(8)] == [[(7,)], []]


def test_within_a_transaction_it_is_an_error_of_the_next_try_alone() -> None:
    ask()
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE slip ALTER number TYPE bigint")

    with pytest.raises(NotSupportedError), transaction.atomic():
        ask()

    assert ask() == [(7,)]
