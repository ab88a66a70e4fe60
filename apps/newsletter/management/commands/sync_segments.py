"""Comparing segment wishes with the provider, repairing what differs, and the first hand-over."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import InterfaceError, OperationalError
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from apps.brands.errors import BrandsError
from apps.brands.registering import find_brand
from apps.mail.errors import MailError
from apps.newsletter.segments import backfilling, drift, syncing
from apps.newsletter.segments.errors import SegmentsError
from apps.queues.terminal import open_console

if TYPE_CHECKING:
    from apps.brands.models import Brand

DRIFT_FOUND = 3
EXIT_DATABASE_GONE = 75  # EX_TEMPFAIL of sysexits.h: the same command may succeed later
EXIT_INTERRUPTED = 130
AGAIN = "Give the same command again to go on from there."
EXIT_CODES = f"""
exit codes:
  0    done; with --dry-run: nothing differs
  1    it cannot be done (the message says why); what was done is kept, give the command again
  2    wrong arguments
  {DRIFT_FOUND}    --dry-run: something differs, and nothing was repaired
  {EXIT_DATABASE_GONE}   the database went away; give the same command again
  {EXIT_INTERRUPTED}  interrupted with Ctrl-C; give the same command again

The calls take their turns with all others of the account, at most a fifth of them while mail goes
out. A repair makes wishes due again: the workers of the queue `segments` do the rest.
"""


class Command(BaseCommand):
    help = "Compares who is in which managed segment with the wishes, and repairs what differs."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.formatter_class = argparse.RawDescriptionHelpFormatter
        parser.epilog = EXIT_CODES
        parser.add_argument("--brand", required=True, metavar="SLUG")
        parser.add_argument("--dry-run", action="store_true", help="compare and tell only")
        parser.add_argument(
            "--backfill", action="store_true",
            help="hand everybody whom the provider does not know to it, in files",
        )  # fmt: skip
        parser.add_argument("--json", action="store_true", help="the result as JSON")

    def handle(self, **options: Any) -> None:
        try:
            brand = find_brand(options["brand"])
            work = self._backfill if options["backfill"] else self._sync
            result, code = work(brand, dry_run=options["dry_run"])
        except (BrandsError, SegmentsError, MailError) as error:
            raise CommandError(f"{error} {AGAIN}") from error
        except (OperationalError, InterfaceError):
            self.stderr.write(f"The database went away. {AGAIN}")
            sys.exit(EXIT_DATABASE_GONE)
        except KeyboardInterrupt:
            self.stderr.write(f"Interrupted. {AGAIN}")
            sys.exit(EXIT_INTERRUPTED)
        self._print(result, as_json=options["json"])
        if code:
            sys.exit(code)

    def _sync(self, brand: Brand, *, dry_run: bool) -> tuple[dict[str, int], int]:
        with self._progress() as progress:
            bar = progress.add_task("members listed", total=None)
            seen = syncing.compare(
                brand=brand, tell=lambda _, members: progress.update(bar, completed=members)
            )
        drifted = drift.count_drifted(brand_id=brand.pk)
        repaired = 0 if dry_run else drift.repair_drifted(brand_id=brand.pk)
        found = {
            "segments": seen.segments,
            "members": seen.members,
            "strangers": seen.strangers,
            "drifted": drifted,
            "repaired": repaired,
        }
        return found, DRIFT_FOUND if dry_run and drifted else 0

    def _backfill(self, brand: Brand, *, dry_run: bool) -> tuple[dict[str, int], int]:
        with self._progress() as progress:
            bar = progress.add_task("contacts handed in", total=None)
            done = backfilling.backfill(
                brand=brand,
                dry_run=dry_run,
                tell=lambda number, all_: progress.update(bar, completed=number, total=all_),
            )
        return {"contacts": done.contacts, "files": done.files, **done.counts}, 0

    def _progress(self) -> Progress:
        return Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=open_console(self.stderr),
        )

    def _print(self, result: dict[str, int], *, as_json: bool) -> None:
        if as_json:
            self.stdout.write(json.dumps(result))
            return
        for name, number in result.items():
            self.stdout.write(f"{name:<12} {number}")
