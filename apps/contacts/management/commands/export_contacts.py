"""Exporting contacts into a CSV file."""

from __future__ import annotations

import sys
from argparse import RawDescriptionHelpFormatter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import InterfaceError, OperationalError
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from apps.brands.errors import UnknownBrandError
from apps.brands.registering import find_brand
from apps.contacts.errors import ContactsError
from apps.contacts.exporting.writing import ExportProgress, export_to_file, goes_on_at
from apps.contacts.models import Contact, ContactStatus, Topic, TopicState
from apps.contacts.searching import FOUND_AT_MOST, find_contacts
from apps.queues.terminal import open_console

if TYPE_CHECKING:
    from apps.brands.models import Brand
    from apps.contacts.models import ContactQuerySet

EXIT_DATABASE_GONE = 75  # EX_TEMPFAIL of sysexits.h: the same command may succeed later
EXIT_INTERRUPTED = 130  # 128 + SIGINT, as shells have it
AGAIN = "Give the same command again to go on from there (or with --restart to begin anew)."
HELP = f"""\
Exports a brand's contacts into a CSV file, with traits, topics and suppressions.

The file is UTF-8 with its mark; cells that a spreadsheet would run as a formula begin with an
apostrophe. Only its owner may read it. What stops half-way goes on where it was when the same
command is given again.

exit codes:
  0    done
  1    refused (the message says why)
  2    wrong arguments
  {EXIT_DATABASE_GONE}   the database went away; give the same command again
  {EXIT_INTERRUPTED}  interrupted with Ctrl-C; give the same command again
"""


class Command(BaseCommand):
    help = HELP

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        kwargs.setdefault("formatter_class", RawDescriptionHelpFormatter)
        return super().create_parser(prog_name, subcommand, **kwargs)

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--brand", required=True, metavar="SLUG")
        parser.add_argument("--status", choices=ContactStatus.values)
        parser.add_argument("--topic", metavar="SLUG", help="only who opted in to this topic")
        parser.add_argument(
            "--search", default="", metavar="TEXT", help="beginning of an address or a name"
        )
        parser.add_argument(
            "--restart", action="store_true", help="forget how far an earlier export came"
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            self._export(options)
        except (ContactsError, UnknownBrandError) as error:
            raise CommandError(str(error)) from error
        except (OperationalError, InterfaceError) as error:
            raise CommandError(
                f"The database went away. {AGAIN}", returncode=EXIT_DATABASE_GONE
            ) from error
        except KeyboardInterrupt:
            # Behind the bar's last line.
            self.stderr.write(f"\nInterrupted. {AGAIN}")
            sys.exit(EXIT_INTERRUPTED)

    def _export(self, options: dict[str, Any]) -> None:
        path: Path = options["file"]
        question = {name: options[name] for name in ("brand", "status", "topic", "search")}
        contacts = _selected(find_brand(options["brand"]), options)
        done = None if options["restart"] else goes_on_at(path, question)
        if done is not None:
            self.stdout.write(f"Goes on after {done:,} contacts.")
        console = open_console(self.stdout, quiet=options["verbosity"] == 0)
        columns = (
            TextColumn("exporting"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TextColumn("{task.fields[rows]:,} contacts"),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=console) as bar:
            rows = export_to_file(
                contacts=contacts,
                question=question,
                path=path,
                restart=options["restart"],
                on_progress=_Shower(bar),
            )
        self.stdout.write(f"{rows:,} contacts exported to {path}.")


class _Shower:
    def __init__(self, bar: Progress) -> None:
        self._bar = bar
        self._task: TaskID = bar.add_task("exporting", total=None, rows=0)

    def __call__(self, progress: ExportProgress) -> None:
        # By ids: counting first would cost as much as a good part of the export.
        self._bar.update(
            self._task,
            total=max(1, progress.last_id - progress.first_id + 1),
            completed=max(0, progress.at_id - progress.first_id + 1),
            rows=progress.rows,
        )


def _selected(brand: Brand, options: dict[str, Any]) -> ContactQuerySet:
    contacts = Contact.objects.of_brand(brand.pk)
    if options["status"]:
        contacts = contacts.filter(status=options["status"])
    if options["topic"]:
        topic = _topic(brand, options["topic"])
        contacts = contacts.filter(topics__topic=topic, topics__state=TopicState.OPT_IN)
    if options["search"]:
        contacts = contacts.filter(pk__in=_found(brand, options["search"]))
    return contacts


def _found(brand: Brand, term: str) -> list[int]:
    found = find_contacts(term, brand_ids=[brand.pk])
    if len(found) >= FOUND_AT_MOST:
        raise CommandError(
            f"--search: a search finds at most {FOUND_AT_MOST} contacts, and these may not be all: "
            "type more, or use the other filters."
        )
    return found


def _topic(brand: Brand, slug: str) -> Topic:
    topics = Topic.objects.of_brand(brand.pk)
    found = topics.filter(slug=slug).first()
    if found is None:
        known = ", ".join(topics.order_by("slug").values_list("slug", flat=True))
        raise CommandError(f"The brand has no topic “{slug}”. It has: {known or 'none yet'}.")
    return found
