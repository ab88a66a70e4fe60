"""The sent log's months: what there is, into files, and back."""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.table import Table

from apps.queues.terminal import open_console
from apps.sms.sent_log import archiving, files, restoring
from apps.sms.sent_log.files import ArchiveError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rich.console import Console

    from apps.sms.sent_log.archiving import Month

_MONTH = re.compile(r"(\d{4})-(0[1-9]|1[0-2])")


def _month(text: str) -> str:
    """Raises ValueError, which argparse tells with the text."""
    match = _MONTH.fullmatch(text)
    if not match:
        raise ValueError(text)
    return files.partition_of(date(int(match[1]), int(match[2]), 1))


_month.__name__ = "month such as 2026-05"


class Command(BaseCommand):
    help = (
        "Lists the months of the sent log, archives them (compressed CSV, read again and compared"
        " before the month is dropped) and restores them. Interrupted, give the command again:"
        " a month is done as a whole or not at all."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        actions.add_parser("list", help="the months in the log and in the archive")
        archive = actions.add_parser("archive", help="the named months, or all expired ones")
        archive.add_argument("months", nargs="*", type=_month, metavar="YYYY-MM")
        archive.add_argument("--dry-run", action="store_true", help="only say which")
        restore = actions.add_parser("restore", help="bring archived months back")
        restore.add_argument("months", nargs="+", type=_month, metavar="YYYY-MM")
        restore.add_argument("--dry-run", action="store_true", help="only check the files")

    def handle(self, *_: object, **options: Any) -> None:
        console = open_console(self.stdout)
        try:
            if options["action"] == "list":
                _list(console)
            elif options["action"] == "archive":
                _archive(console, options["months"], dry_run=options["dry_run"])
            else:
                _restore(console, options["months"], dry_run=options["dry_run"])
        except ArchiveError as error:
            raise CommandError(str(error)) from error


def _list(console: Console) -> None:
    table = Table("month", "in the log", "rows, about", "archived rows", "file")
    there = {month.partition: month for month in archiving.months()}
    archived = {note.partition: note for note in files.notes()}
    for partition in sorted({*there, *archived}):
        month, note = there.get(partition), archived.get(partition)
        table.add_row(
            files.month_of(partition),
            _standing(month),
            f"{month.rows:,}" if month and month.rows >= 0 else "",
            f"{note.rows:,}" if note else "",
            f"{note.bytes / 1e6:,.1f} MB" if note else "",
        )
    console.print(table)


def _standing(month: Month | None) -> str:
    if month is None:
        return "no"
    if month.is_restored:
        return "restored"
    return "expired" if month.is_expired else "yes"


def _archive(console: Console, named: Sequence[str], *, dry_run: bool) -> None:
    known = {month.partition: month for month in archiving.months()}
    wanted = named or [
        one.partition for one in known.values() if one.is_expired and not one.is_restored
    ]
    for partition in wanted:
        if dry_run:
            console.print(f"{files.month_of(partition)} would be archived and dropped")
            continue
        expected = known[partition].rows if partition in known else -1
        with _bar(console) as bar:
            line = bar.add_task(files.month_of(partition), total=max(expected, 0) or None)
            note = archiving.archive(partition, on_rows=_moving(bar, line))
            bar.update(line, completed=note.rows, total=note.rows)
        console.print(f"{files.month_of(partition)}: {note.rows:,} rows archived and dropped")
    if not wanted:
        console.print("no month is expired")


def _restore(console: Console, named: Sequence[str], *, dry_run: bool) -> None:
    for partition in named:
        if dry_run:
            note = files.read_note(partition)
            files.check(note)
            console.print(f"{files.month_of(partition)}: the file is whole, {note.rows:,} rows")
            continue
        with _bar(console) as bar:
            line = bar.add_task(files.month_of(partition), total=None)
            note = restoring.restore(partition, on_bytes=_moving(bar, line))
        console.print(f"{files.month_of(partition)}: {note.rows:,} rows restored")


def _moving(bar: Progress, line: TaskID) -> Callable[[int], None]:
    def move(done: int) -> None:
        bar.update(line, completed=done)

    return move


def _bar(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), console=console
    )
