from __future__ import annotations

from datetime import date

import pytest
from django.db import connection

from apps.queues.partitions import (
    MonthlyTable,
    drop_expired_partitions,
    ensure_partitions,
    existing_partitions,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def table() -> str:
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE diary (month date NOT NULL) PARTITION BY RANGE (month)")
    return "diary"


def test_partitions_reach_over_the_turn_of_the_year(table: str) -> None:
    made = ensure_partitions(table, around=date(2026, 11, 22))

    assert made == [
        "diary_2026_10", "diary_2026_11", "diary_2026_12", "diary_2027_01", "diary_2027_02",
    ]  # fmt: skip


def test_partitions_are_made_once(table: str) -> None:
    ensure_partitions(table, around=date(2026, 11, 22))

    assert ensure_partitions(table, around=date(2026, 12, 1)) == ["diary_2027_03"]


def test_row_of_each_month_finds_its_partition(table: str) -> None:
    ensure_partitions(table, around=date(2026, 1, 31))

    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO diary VALUES ('2025-12-01'), ('2026-04-30')")
        cursor.execute("SELECT tableoid::regclass::text FROM diary ORDER BY month")
        assert [row[0] for row in cursor.fetchall()] == ["diary_2025_12", "diary_2026_04"]


def test_only_what_is_older_than_its_retention_is_dropped(table: str) -> None:
    ensure_partitions(table, around=date(2026, 2, 10))

    dropped = drop_expired_partitions(MonthlyTable(table, 2), today=date(2026, 5, 1))

    assert dropped == ["diary_2026_01", "diary_2026_02"]
    assert existing_partitions(table)[0] == "diary_2026_03"


@pytest.mark.parametrize(("table_name", "percent"), [("sms_senttext", 50), ("mail_click", 70)])
def test_pages_have_room_for_what_changes(table_name: str, percent: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT reloptions FROM pg_class JOIN pg_inherits ON inhrelid = pg_class.oid"
            " WHERE inhparent = %s::regclass",
            [table_name],
        )
        assert cursor.fetchall() == [([f"fillfactor={percent}"],)]
