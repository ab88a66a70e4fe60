from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from apps.queues.terminal import open_console
from apps.sms.backfilling import timezones


class Command(BaseCommand):
    help = "Derives time zones and states from numbers; zones that were given stay."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--all", action="store_true", help="also of people who have a zone")
        parser.add_argument("--dry-run", action="store_true", help="try all of it, keep nothing")

    def handle(self, **options: Any) -> None:
        console = open_console(self.stdout)
        with console.status("deriving zones") as status:
            looked_at, changed = timezones.derive(
                everybody=options["all"],
                dry_run=options["dry_run"],
                show=lambda seen, new: status.update(f"{seen:,} people, {new:,} changed"),
            )
        would = "would change" if options["dry_run"] else "changed"
        console.print(f"{looked_at:,} people looked at, {changed:,} {would}.", highlight=False)
