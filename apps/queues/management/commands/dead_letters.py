"""Looking at dead letters and driving them again, from the command line."""

from __future__ import annotations

import getpass
import json
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.table import Table

from apps.queues import dead_letters
from apps.queues.errors import QueueError
from apps.queues.models import DeadLetter, DeadLetterQuerySet
from apps.queues.names import Queue
from apps.queues.terminal import open_console

if TYPE_CHECKING:
    from collections.abc import Callable

LISTED_AT_MOST = 200


class Command(BaseCommand):
    help = "Lists, shows, re-drives and discards dead letters."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        listing = actions.add_parser("list", help="open letters, newest failure first")
        self._add_filters(listing)
        show = actions.add_parser("show", help="one letter with everything it holds")
        show.add_argument("id", type=int)
        redrive = actions.add_parser("redrive", help="make the work due again")
        redrive.add_argument("ids", type=int, nargs="*")
        redrive.add_argument("--all", action="store_true", help="all open ones of the filter")
        self._add_filters(redrive)
        discard = actions.add_parser("discard", help="close without doing the work")
        discard.add_argument("ids", type=int, nargs="+")
        discard.add_argument("--note", required=True, help="why; kept with the letter")

    def _add_filters(self, parser: CommandParser) -> None:
        parser.add_argument("--queue", choices=[queue.value for queue in Queue])
        parser.add_argument("--reason")

    def handle(self, *_args: Any, **options: Any) -> None:
        actions: dict[str, Callable[[dict[str, Any]], None]] = {
            "list": self._list,
            "show": self._show,
            "redrive": self._redrive,
            "discard": self._discard,
        }
        actions[options["action"]](options)

    def _list(self, options: dict[str, Any]) -> None:
        letters = _filtered(options).order_by("-last_failed_at")
        table = Table("id", "queue", "work", "reason", "tries", "last failure", "error")
        for letter in letters[:LISTED_AT_MOST]:
            table.add_row(
                str(letter.pk),
                letter.queue,
                f"{letter.subject} {letter.subject_id}" if letter.subject else letter.task,
                letter.reason,
                str(letter.attempts),
                f"{letter.last_failed_at:%Y-%m-%d %H:%M:%S}",
                letter.error,
            )
        console = open_console(self.stdout)
        console.print(table)
        self.stdout.write(f"{letters.count()} open.")

    def _show(self, options: dict[str, Any]) -> None:
        letter = DeadLetter.objects.filter(pk=options["id"]).values().first()
        if letter is None:
            raise CommandError(f"There is no dead letter {options['id']}.")
        self.stdout.write(json.dumps(letter, default=str, indent=2))

    def _redrive(self, options: dict[str, Any]) -> None:
        ids = list(options["ids"])
        if options["all"]:
            ids = list(_filtered(options).order_by("pk").values_list("pk", flat=True))
        elif not ids:
            raise CommandError("Name the letters' ids, or --all (with --queue or --reason).")
        try:
            driven = dead_letters.redrive_many(letter_ids=ids, by=getpass.getuser())
        except QueueError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{driven} of {len(ids)} driven again; the others were closed already.")

    def _discard(self, options: dict[str, Any]) -> None:
        for letter_id in options["ids"]:
            try:
                dead_letters.discard(
                    letter_id=letter_id, by=getpass.getuser(), note=options["note"]
                )
            except QueueError as error:
                raise CommandError(str(error)) from error
        self.stdout.write(f"{len(options['ids'])} discarded.")


def _filtered(options: dict[str, Any]) -> DeadLetterQuerySet:
    letters = DeadLetter.objects.open()
    if options.get("queue"):
        letters = letters.filter(queue=options["queue"])
    if options.get("reason"):
        letters = letters.filter(reason=options["reason"])
    return letters
