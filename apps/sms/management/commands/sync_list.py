"""Syncing one of the provider's lists of opted-in people, at once."""

from __future__ import annotations

import getpass
import time
from argparse import RawDescriptionHelpFormatter
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from apps.queues.terminal import open_console
from apps.sms.listing import running, starting
from apps.sms.listing.console import show_result, shown_progress
from apps.sms.listing.errors import ListError
from apps.sms.models import ListSyncRun, OptInList

if TYPE_CHECKING:
    from rich.console import Console

EXIT_FAILED = 1
EXIT_ASKS = 3
_POLL_SECONDS = 0.5

HELP = f"""\
Reads a list of opted-in people from the provider and brings its brand's subscribers in step.

Whoever left with us after they opted in stays out. People who are missing from the list leave the
brand only once the whole list was read; where more are missing than the list's share, nothing is
changed and the sync asks. What stops half-way begins anew when the command is given again.

exit codes:
  0  done
  {EXIT_FAILED}  not synced, nothing was changed (the message says why)
  2  wrong arguments
  {EXIT_ASKS}  more people would leave than may unasked: see the lists in admin, or give --may-leave
"""


class _HelpFormatter(RawDescriptionHelpFormatter):
    """Keeps the lines of the description."""


class Command(BaseCommand):
    help = HELP

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        kwargs.setdefault("formatter_class", _HelpFormatter)
        return super().create_parser(prog_name, subcommand, **kwargs)

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("list_id", help="the list's id at the provider")
        parser.add_argument(
            "--brand", metavar="SLUG", help="needed where several brands have this list"
        )
        parser.add_argument(
            "--may-leave", type=int, metavar="N", help="let up to N people leave unasked"
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        console = open_console(self.stdout, quiet=options["verbosity"] == 0)
        opt_in_list = _find(options["list_id"], options["brand"])
        try:
            run = starting.start(
                opt_in_list_id=opt_in_list.pk,
                trigger=ListSyncRun.Trigger.COMMAND,
                by=f"command {getpass.getuser()}",
                may_leave=options["may_leave"],
            )
        except ListError as error:
            raise CommandError(str(error), returncode=EXIT_FAILED) from error
        _end(console, _worked_off(console, run))


def _find(list_id: str, brand: str | None) -> OptInList:
    found = OptInList.objects.select_related("brand").filter(list_id=list_id)
    if brand:
        found = found.filter(brand__slug=brand)
    lists = list(found[:2])
    if not lists:
        known = ", ".join(OptInList.objects.order_by("list_id").values_list("list_id", flat=True))
        raise CommandError(f"There is no such list {list_id!r}; there are: {known or 'none yet'}.")
    if len(lists) > 1:
        raise CommandError("Several brands have this list; say which by --brand SLUG.")
    return lists[0]


def _worked_off(console: Console, run: ListSyncRun) -> ListSyncRun:
    """The run at its end, attempt after attempt: by this process, or by a worker who was faster."""
    with shown_progress(console) as show:
        while run.ended_at is None:
            advanced = running.advance_run(run_id=run.pk, on_progress=show)
            if advanced is None:
                time.sleep(_POLL_SECONDS)
            elif advanced.state == ListSyncRun.State.WAITING:
                wait = (advanced.run_after - timezone.now()).total_seconds()
                console.print(f"{advanced.problem} Trying again in {wait:.0f} s.", markup=False)
            run = advanced or ListSyncRun.objects.get(pk=run.pk)
    return run


def _end(console: Console, run: ListSyncRun) -> None:
    show_result(console, run)
    if run.state == ListSyncRun.State.ASKS:
        told = f"Nothing was changed. To let them leave, give --may-leave {run.would_leave}."
        raise CommandError(told, returncode=EXIT_ASKS)
    if run.state == ListSyncRun.State.FAILED:
        raise CommandError("Nothing was changed.", returncode=EXIT_FAILED)
