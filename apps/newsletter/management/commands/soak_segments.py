"""The soak of the segment queue: a burst of sign-ups and updates, figures, and a verdict."""

from __future__ import annotations

import argparse
import csv
import dataclasses
import json
import sys
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.progress import Progress

from apps.mail.errors import MailError
from apps.mail.sending import Door
from apps.newsletter.segments.asking import Asker
from apps.newsletter.segments.soak.judging import Report, Row, judge
from apps.newsletter.segments.soak.rehearsal import Rehearsal
from apps.newsletter.segments.soak.running import Plan, play
from apps.newsletter.segments.soak.stage import SoakError, Stage, set_up
from apps.queues.terminal import open_console

if TYPE_CHECKING:
    from apps.mail.resend import ResendClient

REAL_HOST = "api.resend.com"
EXIT_CODES = """
exit codes:
  0  nothing was throttled, and for every contact the logged target, the tier of its score and its
     membership at the provider are one; subscribing was quick enough
  1  it is not so, or the soak could not run; the message says why
  2  wrong arguments

With --dry-run the provider is one in memory, with --rate-limit calls a second. Without it the soak
asks RESEND_API_URL, which should be a stand-in; at the real provider it makes contacts that stay.
"""


class Command(BaseCommand):
    help = "Lets a burst of people join and change, and judges what the segment queue makes of it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.formatter_class = argparse.RawDescriptionHelpFormatter
        parser.epilog = EXIT_CODES
        plan = Plan()
        parser.add_argument("--dry-run", action="store_true", help="ask no provider")
        parser.add_argument("--account", default="", metavar="NAME", help="of Resend accounts")
        parser.add_argument("--signups", type=_whole(1), default=plan.signups)
        parser.add_argument("--per-second", type=float, default=plan.per_second)
        parser.add_argument("--updates", type=_whole(0), default=plan.updates, help="each")
        parser.add_argument(
            "--workers", type=_whole(0), default=plan.workers, help="0: only the station's own"
        )
        parser.add_argument("--timeout", type=float, default=plan.timeout_seconds)
        parser.add_argument(
            "--subscribe-p95-ms", type=float, default=plan.subscribe_p95_ms, help="0: do not judge"
        )
        parser.add_argument("--rate-limit", type=_whole(1), default=5, help="of a dry run")
        parser.add_argument("--latency-ms", type=float, default=50.0, help="of a dry run")
        parser.add_argument("--json", type=Path, metavar="FILE")
        parser.add_argument("--csv", type=Path, metavar="FILE")
        parser.add_argument("--real-provider", action="store_true", help=f"{REAL_HOST} is meant")

    def handle(self, **options: Any) -> None:
        _check(options)
        try:
            stage = set_up(account_name=options["account"], dry=options["dry_run"])
            report = self._soak(stage, options)
        except (SoakError, MailError) as error:
            raise CommandError(str(error)) from error
        _write(report, options)
        self._print(report)
        if not report.passed:
            sys.exit(1)

    def _soak(self, stage: Stage, options: dict[str, Any]) -> Report:
        plan = Plan(
            signups=options["signups"],
            per_second=options["per_second"],
            updates=options["updates"],
            workers=options["workers"],
            timeout_seconds=options["timeout"],
            subscribe_p95_ms=options["subscribe_p95_ms"],
        )
        door = _door(stage, options)
        with Progress(console=open_console(self.stderr)) as progress:
            bar = progress.add_task("settled", total=plan.signups)

            def tell(settled: int, number: int) -> None:
                progress.update(bar, completed=settled, total=number)

            played = play(stage, plan, door, tell)
        return judge(stage, plan, played, Asker(door))

    def _print(self, report: Report) -> None:
        for name, value in report.figures.items():
            self.stdout.write(f"{name:<24} {value:g}")
        for failure in report.failures:
            self.stdout.write(f"FAILED: {failure}")
        self.stdout.write("passed" if report.passed else "failed")


def _check(options: dict[str, Any]) -> None:
    real = urlsplit(settings.RESEND_API_URL).hostname == REAL_HOST
    if real and not (options["dry_run"] or options["real_provider"]):
        raise CommandError(
            f"RESEND_API_URL is {REAL_HOST}: use --dry-run, point it at a stand-in, or say "
            "--real-provider if contacts are to be made there."
        )
    if options["dry_run"] and not options["workers"]:
        raise CommandError("A dry run needs --workers: the station's own ask the provider.")
    if options["per_second"] <= 0:
        raise CommandError("--per-second must be more than 0.")


def _door(stage: Stage, options: dict[str, Any]) -> Door:
    door = Door.of(stage.account)
    if not options["dry_run"]:
        return door
    stage.account.stopped_at = None  # in the database it is stopped for good, for other workers
    rehearsal = Rehearsal(rate_limit=options["rate_limit"], latency_ms=options["latency_ms"])
    return dataclasses.replace(door, client=cast("ResendClient", rehearsal))


def _write(report: Report, options: dict[str, Any]) -> None:
    if path := options["json"]:
        path.write_text(json.dumps(report.document(), indent=1) + "\n")
    if path := options["csv"]:
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, [field.name for field in fields(Row)])
            writer.writeheader()
            writer.writerows(dataclasses.asdict(row) for row in report.rows)


def _whole(least: int) -> Any:
    def parse(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"expected a whole number from {least} up")
        return int(text)

    return parse
