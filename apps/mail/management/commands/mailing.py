"""Mailings from the command line: what runs and what is paused, streams of single mails too."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.table import Table

from apps.mail import mailings
from apps.mail.errors import MailError
from apps.mail.models import Mailing
from apps.queues.terminal import open_console

if TYPE_CHECKING:
    from collections.abc import Callable

LISTED_AT_MOST = 200


class Command(BaseCommand):
    help = (
        "Lists mailings that are not over, pauses and resumes them. A stream of single mails that "
        "was paused by a spent quota or a refused key waits here for a person; campaigns have a "
        "command of their own. Exit code 1: it cannot be done, the message says why."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
        listing = actions.add_parser("list", help="mailings that run or are paused")
        listing.add_argument("--paused", action="store_true", help="only those that are paused")
        pause = actions.add_parser("pause", help="send nothing more of it for now")
        pause.add_argument("mailing", type=int)
        pause.add_argument("--reason", required=True, help="shown wherever the mailing is missed")
        resume = actions.add_parser("resume", help="go on after a pause")
        resume.add_argument("mailing", type=int)

    def handle(self, *_args: Any, **options: Any) -> None:
        actions: dict[str, Callable[[dict[str, Any]], None]] = {
            "list": self._list,
            "pause": self._pause,
            "resume": self._resume,
        }
        try:
            actions[options["action"]](options)
        except Mailing.DoesNotExist:
            raise CommandError(f"There is no mailing {options['mailing']}.") from None
        except MailError as error:
            raise CommandError(str(error)) from error

    def _list(self, options: dict[str, Any]) -> None:
        found = Mailing.objects.unfinished().select_related("brand", "account").order_by("-pk")
        if options["paused"]:
            found = found.filter(state=Mailing.State.PAUSED)
        table = Table("id", "brand", "name", "kind", "state", "why", "account")
        for mailing in found[:LISTED_AT_MOST]:
            stopped = mailing.account.stopped_at is not None
            table.add_row(
                str(mailing.pk),
                mailing.brand.slug,
                mailing.name,
                mailing.kind,
                mailing.state,
                mailing.state_reason,
                f"{mailing.account.name}{' (stopped)' if stopped else ''}",
            )
        open_console(self.stdout).print(table)

    def _pause(self, options: dict[str, Any]) -> None:
        reason = f"{getpass.getuser()}: {options['reason']}"
        mailings.pause(mailing_id=options["mailing"], reason=reason)
        self.stdout.write(f"Mailing {options['mailing']} is paused; calls under way end.")

    def _resume(self, options: dict[str, Any]) -> None:
        mailing = Mailing.objects.select_related("account").get(pk=options["mailing"])
        mailings.resume(mailing_id=mailing.pk)
        self.stdout.write(f"Mailing {mailing.pk} goes on.")
        if mailing.account.stopped_at is not None:
            self.stdout.write(
                f"But its account is stopped ({mailing.account.stopped_reason}). Let it send "
                f"again: manage.py account start {mailing.account.name}"
            )
