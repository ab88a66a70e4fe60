"""Importing people from a CSV file."""

from __future__ import annotations

import sys
from argparse import RawDescriptionHelpFormatter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import InterfaceError, OperationalError
from django.utils import timezone

from apps.brands.models import Brand
from apps.contacts.errors import ContactsError
from apps.contacts.importing.console import make_display, show_plan, show_summary
from apps.contacts.importing.dialect import DELIMITERS
from apps.contacts.importing.merging import OnConflict
from apps.contacts.importing.planning import ImportOptions, plan_import
from apps.contacts.importing.running import (
    discard,
    find_unfinished,
    preview_import,
    resumes_at,
    run_import,
)
from apps.queues.terminal import open_console

if TYPE_CHECKING:
    from rich.console import Console

    from apps.contacts.importing.planning import ImportPlan

EXIT_REFUSED = 1
EXIT_DATABASE_GONE = 75  # EX_TEMPFAIL of sysexits.h: the same command may succeed later
EXIT_INTERRUPTED = 130  # 128 + SIGINT, as shells have it

HELP = f"""\
Imports the people of a CSV file into a brand.

The file may be UTF-8, UTF-16 with its mark or Windows-1252; cells are parted by comma, semicolon,
tab or pipe. Columns that are no field of a contact become traits. Nobody who left is subscribed
again, an empty cell never erases, and the same file twice changes nothing. What stops half-way
goes on where it was when the same command is given again.

exit codes:
  0    done; rejected rows, if any, are in the file that is named
  {EXIT_REFUSED}    refused, nothing was imported (the message says why)
  2    wrong arguments
  {EXIT_DATABASE_GONE}   the database went away; give the same command again
  {EXIT_INTERRUPTED}  interrupted with Ctrl-C; give the same command again
"""
AGAIN = "Give the same command again to go on from there (or with --restart to begin anew)."


class _HelpFormatter(RawDescriptionHelpFormatter):
    """Keeps the lines of the description."""


class Command(BaseCommand):
    help = HELP

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        kwargs.setdefault("formatter_class", _HelpFormatter)
        return super().create_parser(prog_name, subcommand, **kwargs)

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--brand", required=True, metavar="SLUG")
        _add_meaning(parser)
        _add_reading(parser)
        parser.add_argument(
            "--dry-run", action="store_true", help="do everything but change contacts"
        )
        parser.add_argument(
            "--rejects",
            type=Path,
            metavar="PATH",
            help="where rejected rows go (default: FILE.rejected.csv beside the file)",
        )
        going_on = parser.add_mutually_exclusive_group()
        going_on.add_argument(
            "--resume", action="store_true", help="insist on going on; refuse to begin anew"
        )
        going_on.add_argument(
            "--restart", action="store_true", help="forget how far an earlier run came"
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        console = _console(self.stdout, quiet=options["verbosity"] == 0)
        try:
            brand_id, wishes = _brand_id(options["brand"]), _import_options(options)
            with console.status("looking at the file"):
                plan = plan_import(path=options["file"], brand_id=brand_id, options=wishes)
            self._import(console, plan, options)
        except ContactsError as error:
            raise CommandError(str(error), returncode=EXIT_REFUSED) from error
        except (OperationalError, InterfaceError) as error:
            raise CommandError(
                f"The database went away. {AGAIN}", returncode=EXIT_DATABASE_GONE
            ) from error
        except KeyboardInterrupt:
            # Behind the bar's last line.
            self.stderr.write(f"\nInterrupted. {AGAIN}")
            sys.exit(EXIT_INTERRUPTED)

    def _import(self, console: Console, plan: ImportPlan, options: dict[str, Any]) -> None:
        is_preview = options["dry_run"]
        unfinished = None if is_preview else find_unfinished(plan)
        if options["resume"] and unfinished is None:
            raise CommandError("There is no unfinished import of this file with these options.")
        if options["restart"] and unfinished is not None:
            discard(unfinished)
            unfinished = None
        show_plan(console, plan, going_on_at_line=resumes_at(unfinished) if unfinished else None)
        run = preview_import if is_preview else run_import
        with make_display(console) as display:
            summary = run(
                plan=plan,
                rejects_path=options["rejects"] or _beside(plan.path),
                now=timezone.now(),
                on_progress=display,
            )
        show_summary(console, summary, is_preview=is_preview)


def _add_meaning(parser: CommandParser) -> None:
    parser.add_argument(
        "--consent",
        default="",
        metavar="TEXT",
        help="how these people agreed to be mailed; kept with each of them",
    )
    parser.add_argument(
        "--pending", action="store_true", help="new people still have to confirm (no consent yet)"
    )
    parser.add_argument(
        "--topic",
        action="append",
        default=[],
        metavar="SLUG",
        help="opt in to this topic whoever never decided on it (repeatable)",
    )
    parser.add_argument(
        "--on-conflict",
        choices=[one.value for one in OnConflict],
        default=OnConflict.FILL.value,
        help="fill only what is empty (default), or let the file overwrite",
    )


def _add_reading(parser: CommandParser) -> None:
    parser.add_argument(
        "--map",
        action="append",
        default=[],
        metavar="COLUMN=FIELD",
        help="what a column becomes: email, first_name, last_name, locale, timezone or traits.key "
        "(repeatable; a column can be named by its place, #3)",
    )
    parser.add_argument(
        "--skip-column", action="append", default=[], metavar="COLUMN", help="(repeatable)"
    )
    parser.add_argument("--encoding", metavar="NAME", help="if the guess is wrong, such as cp1250")
    parser.add_argument("--delimiter", choices=list(DELIMITERS.values()))


def _import_options(options: dict[str, Any]) -> ImportOptions:
    delimiters = {name: character for character, name in DELIMITERS.items()}
    return ImportOptions(
        consent=options["consent"].strip(),
        pending=options["pending"],
        on_conflict=OnConflict(options["on_conflict"]),
        topics=tuple(sorted(set(options["topic"]))),
        columns=dict(map(_mapping, options["map"])),
        skipped=tuple(options["skip_column"]),
        encoding=options["encoding"],
        delimiter=delimiters[options["delimiter"]] if options["delimiter"] else None,
    )


def _mapping(text: str) -> tuple[str, str]:
    column, equals, field = text.rpartition("=")
    if not (column and equals and field):
        raise CommandError(f"--map “{text}” is not COLUMN=FIELD, such as --map “Mail 1=email”.")
    return column.strip(), field.strip()


def _brand_id(slug: str) -> int:
    brands = dict(Brand.objects.values_list("slug", "pk"))
    if slug not in brands:
        known = ", ".join(sorted(brands)) or "none yet"
        raise CommandError(f"There is no brand “{slug}”. The brands are: {known}.")
    return brands[slug]


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.stem}.rejected.csv")


def _console(stream: Any, *, quiet: bool) -> Console:
    return open_console(stream, soft_wrap=not stream.isatty(), quiet=quiet)
