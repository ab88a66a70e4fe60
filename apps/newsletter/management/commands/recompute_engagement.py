"""Counting scores and tiers anew."""

from __future__ import annotations

import sys
from argparse import RawDescriptionHelpFormatter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import InterfaceError, OperationalError
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from apps.brands.errors import UnknownBrandError
from apps.brands.registering import find_brand
from apps.contacts.models import Contact
from apps.newsletter.engagement import recomputing
from apps.newsletter.engagement.scoring import Rescored, Selection, look
from apps.newsletter.models import Recomputation, ScoreChange
from apps.queues.terminal import open_console

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from apps.brands.models import Brand

EXIT_DATABASE_GONE = 75  # EX_TEMPFAIL of sysexits.h: the same command may succeed later
EXIT_INTERRUPTED = 130  # 128 + SIGINT, as shells have it
AGAIN = "Give the same command again to go on from there."
HELP = f"""\
Counts the score of everybody of a brand anew, and moves them into the tiers they belong to.

Do this after rules or tiers were changed; otherwise it happens each night. Who moves to another
tier gets a wish for the tier's segment. What stops half-way goes on where it was when the same
command is given again; the workers of the queue pulse go on with it, too.

With --dry-run nothing is written: it tells how many would change, and from which tier to which.

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
        parser.add_argument("--brand", metavar="SLUG", help="only this one")
        parser.add_argument("--dry-run", action="store_true", help="tell, and change nothing")
        parser.add_argument("--json", action="store_true", help="the outcome as JSON")

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            brands = _brands(options["brand"])
            outcomes = [self._count(brand, options) for brand in brands]
        except UnknownBrandError as error:
            raise CommandError(str(error)) from error
        except (OperationalError, InterfaceError) as error:
            raise CommandError(
                f"The database went away. {AGAIN}", returncode=EXIT_DATABASE_GONE
            ) from error
        except KeyboardInterrupt:
            self.stderr.write(f"\nInterrupted. {AGAIN}")
            sys.exit(EXIT_INTERRUPTED)
        self._tell(brands, outcomes, options)

    def _count(self, brand: Brand, options: dict[str, Any]) -> Rescored:
        console = open_console(self.stderr, quiet=options["verbosity"] == 0)
        columns = (
            TextColumn(brand.slug),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TextColumn("{task.fields[rows]:,} contacts"),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=console) as bar:
            task = bar.add_task(brand.slug, total=None, rows=0)

            def show(done: Rescored, at: int, until: int) -> None:
                bar.update(task, total=max(1, until), completed=at, rows=done.contacts)

            return _dry(brand, show) if options["dry_run"] else _wet(brand, show)

    def _tell(
        self, brands: Sequence[Brand], outcomes: Sequence[Rescored], options: dict[str, Any]
    ) -> None:
        told = [_told(brand, outcome) for brand, outcome in zip(brands, outcomes, strict=True)]
        if options["json"]:
            self.stdout.write(orjson.dumps(told).decode())
            return
        for one in told:
            would = "would change" if options["dry_run"] else "changed"
            self.stdout.write(
                f"{one['brand']}: {one['contacts']:,} contacts counted, {one['changed']:,} {would},"
                f" {one['moved']:,} of them to another tier."
            )
            for move, number in one["moves"].items():
                self.stdout.write(f"  {move}: {number:,}")


def _told(brand: Brand, outcome: Rescored) -> dict[str, Any]:
    return {
        "brand": brand.slug,
        "contacts": outcome.contacts,
        "changed": outcome.changed,
        "moved": outcome.moved,
        "moves": {
            f"{old or '(none)'} → {new or '(none)'}": number
            for (old, new), number in sorted(outcome.moves.items())
        },
    }


def _brands(slug: str | None) -> list[Brand]:
    return [find_brand(slug)] if slug else list(recomputing.brands_with_engagement())


def _wet(brand: Brand, show: Callable[[Rescored, int, int], None]) -> Rescored:
    """The run's pages, worked here; numbers are those of this command's part of it."""
    run = recomputing.start(brand_id=brand.pk, cause=ScoreChange.Cause.COMMAND)
    total = Rescored()
    while (page := recomputing.advance_page(run_id=run.pk)) is not None:
        total = total.with_(page)
        at = Recomputation.objects.values_list("cursor", flat=True).get(pk=run.pk)
        show(total, at, run.until)
    return total


def _dry(brand: Brand, show: Callable[[Rescored, int, int], None]) -> Rescored:
    at, total, after = datetime.now(tz=UTC), Rescored(), 0
    newest = Contact.objects.filter(brand=brand).order_by("-pk").values_list("pk", flat=True)
    until = newest.first() or 0
    while (end := recomputing.page_end(brand.pk, after=after, until=until)) is not None:
        total = total.with_(look(Selection.range(brand_id=brand.pk, after=after, until=end), at=at))
        after = end
        show(total, after, until)
    return total
