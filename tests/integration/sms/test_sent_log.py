"""Months of the sent log: into files, checked, dropped, and back as they were."""

from __future__ import annotations

from datetime import date, timedelta
from io import StringIO
from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from apps.queues.partitions import existing_partitions
from apps.sms.models import SentText
from apps.sms.sent_log import archiving, files, restoring
from apps.sms.sent_log.files import ArchiveError
from tests.integration.sms.town import NOON, Town

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.django_db
JUNE = "sms_senttext_2026_06"
TODAY = date(2027, 8, 1)


@pytest.fixture(autouse=True)
def folder(settings: Any, tmp_path: Path) -> Path:
    settings.SENT_LOG_ARCHIVE_DIR = tmp_path / "archive"
    settings.SENT_LOG_RETENTION_MONTHS = 13
    return tmp_path / "archive"


@pytest.fixture
def june(db: None) -> list[dict[str, Any]]:
    """Texts of June 2026, one of them with a detail that is hard on a CSV."""
    town = Town()
    town.message()
    for _ in range(3):
        town.person()
    town.run()
    first, second, _ = town.reserved()
    town.end(SentText.State.SENT, first)
    town.end(SentText.State.FAILED, second)
    SentText.objects.filter(id=second.pk).update(detail='a "quoted",\nbroken line; ünïcödé')
    return rows()


def rows() -> list[dict[str, Any]]:
    june = SentText.objects.filter(local_day__month=6, local_day__year=2026)
    return [dict(row) for row in june.order_by("id").values()]


def test_month_comes_back_as_it_was(june: list[dict[str, Any]]) -> None:
    note = archiving.archive(JUNE)
    gone = JUNE not in existing_partitions("sms_senttext")

    restoring.restore(JUNE)

    assert gone
    assert note.rows == 3
    assert rows() == june
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT indexrelid::regclass::text FROM pg_index WHERE indrelid = %s::regclass", [JUNE]
        )
        assert len(cursor.fetchall()) == 4


def test_schedule_archives_expired_months_only_and_leaves_restored_ones(
    june: list[dict[str, Any]],
) -> None:
    early = archiving.archive_expired(today=date(2027, 7, 31))
    first = [note.partition for note in archiving.archive_expired(today=TODAY)]
    restoring.restore(JUNE)

    again = archiving.archive_expired(today=TODAY)

    assert JUNE not in [note.partition for note in early]
    assert JUNE in first
    assert again == []
    assert rows() == june


@pytest.mark.parametrize("cut", [10, -1])
def test_file_that_is_not_what_was_written_is_not_restored(
    june: list[dict[str, Any]], cut: int
) -> None:
    archiving.archive(JUNE)
    path = files.rows_path(JUNE)
    path.write_bytes(path.read_bytes()[:cut])

    with pytest.raises(ArchiveError, match=r"SHA-256|cannot be read"):
        restoring.restore(JUNE)

    assert JUNE not in existing_partitions("sms_senttext")


def test_month_is_kept_where_the_check_of_its_file_fails(
    june: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = files.RowsFile.close

    def lose_a_byte(self: files.RowsFile) -> tuple[str, int]:
        kept = real(self)
        path = files.rows_path(JUNE)
        path.write_bytes(path.read_bytes()[:-1])
        return kept

    monkeypatch.setattr(files.RowsFile, "close", lose_a_byte)

    with pytest.raises(ArchiveError):
        archiving.archive(JUNE)

    assert rows() == june


def test_command_lists_archives_and_restores(june: list[dict[str, Any]]) -> None:
    def say(*arguments: str) -> str:
        out = StringIO()
        call_command("sent_log", *arguments, stdout=out)
        return out.getvalue()

    tried = say("archive", "2026-06", "--dry-run")
    archived = say("archive", "2026-06")
    checked = say("restore", "2026-06", "--dry-run")
    listed = say("list")
    restored = say("restore", "2026-06")

    assert "would be archived" in tried
    assert "3 rows archived and dropped" in archived
    assert "the file is whole, 3 rows" in checked
    assert "2026-06" in listed
    assert "3 rows restored" in restored
    with pytest.raises(CommandError, match="already"):
        say("restore", "2026-06")
    with pytest.raises(CommandError, match="no month 2020-01"):
        say("archive", "2020-01")


def test_partitions_are_made_ahead(db: None) -> None:
    from apps.queues.partitions import maintain, partition_name

    maintain()

    ahead = NOON.now(tz=NOON.tzinfo).date() + timedelta(days=85)
    assert partition_name("sms_senttext", ahead) in existing_partitions("sms_senttext")
