"""Texts of which nobody knows whether they were sent: looking at them, saying what is so."""

from __future__ import annotations

import getpass
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.table import Table

from apps.queues.terminal import open_console
from apps.sms.calling import doubts
from apps.sms.calling.doubts import Resolution
from apps.sms.errors import SmsError
from apps.sms.models import SentText

LISTED_AT_MOST = 200


class Command(BaseCommand):
    help = (
        "Lists and resolves texts in doubt: the provider may have accepted them, or not. They are "
        "never sent again. A click or a reply resolves them; where none comes, look the numbers up "
        "at the provider and say what is so. Exit code 1 where nothing was changed."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        unknown = actions.add_parser("unknown", help="chunks with texts in doubt, oldest first")
        unknown.add_argument("chunk", type=int, nargs="?", help="the texts in doubt of this one")
        resolve = actions.add_parser("resolve", help="say what became of a chunk's texts in doubt")
        resolve.add_argument("chunk", type=int)
        resolve.add_argument("--as", dest="as_", required=True, choices=[*Resolution])
        resolve.add_argument("--note", required=True, help="how you know; kept with the texts")
        resolve.add_argument(
            "--text", type=int, action="append", help="only this one (may be repeated)"
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        if options["action"] == "resolve":
            self._resolve(options)
        elif options["chunk"] is None:
            self._list()
        else:
            self._show(options["chunk"])

    def _list(self) -> None:
        found = doubts.in_doubt(limit=LISTED_AT_MOST)
        table = Table("chunk", "brand", "day", "in doubt", "since (UTC)", "reasons")
        for doubt in found:
            table.add_row(
                str(doubt.chunk_id),
                doubt.brand,
                str(doubt.local_day),
                str(doubt.texts),
                f"{doubt.since:%Y-%m-%d %H:%M:%S}",
                doubt.reasons,
            )
        open_console(self.stdout).print(table)
        texts = sum(doubt.texts for doubt in found)
        self.stdout.write(f"Texts in doubt: {texts}, in {len(found)} chunks.")

    def _show(self, chunk_id: int) -> None:
        texts = SentText.objects.filter(chunk_id=chunk_id, state=SentText.State.UNKNOWN)
        table = Table("text", "day", "number", "called at (UTC)", "reason", "detail")
        for text in texts.order_by("pk"):
            table.add_row(
                str(text.pk),
                str(text.local_day),
                text.phone,
                f"{text.calling_at:%Y-%m-%d %H:%M:%S}",
                text.reason,
                text.detail,
            )
        open_console(self.stdout).print(table)
        self.stdout.write(f"Texts in doubt in chunk {chunk_id}: {len(texts)}.")

    def _resolve(self, options: dict[str, Any]) -> None:
        try:
            number = doubts.resolve(
                chunk_id=options["chunk"],
                as_=Resolution(options["as_"]),
                by=getpass.getuser(),
                note=options["note"],
                text_ids=options["text"],
            )
        except SmsError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"Settled as {options['as_']}: {number}.")
