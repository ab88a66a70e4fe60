"""Queues that are held because their work keeps failing, from the command line."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.table import Table

from apps.queues import holding
from apps.queues.errors import UnknownQueueError
from apps.queues.terminal import ago, open_console

if TYPE_CHECKING:
    from apps.queues.breaking import Standing

BROKER_AWAY = "The broker does not answer: this is unknown, and a reset reaches nobody else."


class Command(BaseCommand):
    help = (
        "Lists the holds of all queues, and lets a held one work at once. A held queue tries one"
        " task by itself after each hold."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
        actions.add_parser("list", help="every queue and whether it is held")
        reset = actions.add_parser("reset", help="let a held queue work at once")
        reset.add_argument("queue")

    def handle(self, *_args: Any, **options: Any) -> None:
        if options["action"] == "list":
            self._list()
        else:
            self._reset(options["queue"])

    def _list(self) -> None:
        found = holding.holds()
        table = Table("queue", "phase", "held for", "failures in a row", "last success")
        for name, standing in found.items():
            table.add_row(name, *_cells(standing))
        open_console(self.stdout).print(table)
        if not all(standing.shared for standing in found.values()):
            self.stderr.write(BROKER_AWAY)

    def _reset(self, queue: str) -> None:
        try:
            standing = holding.reset(queue=queue, by=f"command:{getpass.getuser()}")
        except UnknownQueueError as error:
            raise CommandError(str(error)) from error
        if not standing.shared:
            raise CommandError(BROKER_AWAY)
        self.stdout.write(f"The queue {queue} works again.")


def _cells(standing: Standing) -> tuple[str, str, str, str]:
    if not standing.shared:
        return "unknown", "", "", ""
    held = f"{standing.held_for_s:.0f} s" if standing.held_for_s else ""
    return standing.phase, held, str(standing.error_run), ago(standing.last_success_s)
