"""Daily figures from the command line: counted anew from the messages."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.mail.models import Mailing
from apps.mail.reports.figures import count_anew


class Command(BaseCommand):
    help = (
        "Counts the figures of mailings anew from their messages, mailing by mailing: needed once "
        "for mailings from before figures were kept. Sending may go on; after an interruption, "
        "go on with --after."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--mailing", type=int, help="only this one")
        parser.add_argument("--after", type=int, default=0, help="only mailings of a higher id")

    def handle(self, *_args: Any, **options: Any) -> None:
        mailings = Mailing.objects.filter(pk__gt=options["after"]).order_by("pk")
        if options["mailing"] is not None:
            mailings = mailings.filter(pk=options["mailing"])
            if not mailings:
                raise CommandError(f"There is no mailing {options['mailing']}.")
        ids = list(mailings.values_list("pk", flat=True))
        for mailing_id in ids:
            count_anew(mailing_id=mailing_id)
            self.stdout.write(f"Mailing {mailing_id} is counted.")
        self.stdout.write(f"Mailings counted anew: {len(ids)}.")
