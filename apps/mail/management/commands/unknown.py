"""Mails of which nobody knows whether they were sent: looking at them, saying what is so."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction
from rich.table import Table

from apps.mail import doubts, regrouping
from apps.mail.doubts import Resolution
from apps.mail.errors import MailError
from apps.mail.models import Batch, Message
from apps.queues.terminal import open_console

if TYPE_CHECKING:
    from collections.abc import Callable

LISTED_AT_MOST = 200


class Command(BaseCommand):
    help = (
        "Lists, shows and resolves mails in doubt: the provider may have accepted them, or not. "
        "They are never sent again by themselves. A delivery event resolves them; where none "
        "comes, look them up at the provider (the tags `mailing` and `message` name them) and "
        "say what is so. Exit code 1 where nothing was changed."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        actions.add_parser("list", help="batches with mails in doubt, the oldest first")
        show = actions.add_parser("show", help="the mails in doubt of one batch")
        show.add_argument("batch", type=int)
        resolve = actions.add_parser("resolve", help="say what became of a batch's mails in doubt")
        resolve.add_argument("batch", type=int)
        resolve.add_argument("--as", dest="as_", required=True, choices=[*Resolution])
        resolve.add_argument("--note", required=True, help="how you know; kept with the batch")
        resolve.add_argument(
            "--message", type=int, action="append", help="only this one (may be repeated)"
        )
        resolve.add_argument(
            "--retry",
            action="store_true",
            help="with --as not_sent: send the failed mails of the batch again at once",
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        actions: dict[str, Callable[[dict[str, Any]], None]] = {
            "list": self._list,
            "show": self._show,
            "resolve": self._resolve,
        }
        actions[options["action"]](options)

    def _list(self, _options: dict[str, Any]) -> None:
        batches = Batch.objects.filter(state=Batch.State.UNKNOWN)
        table = Table("batch", "mailing", "in doubt", "of", "since (UTC)", "last error")
        for batch in batches.select_related("mailing").order_by("settled_at")[:LISTED_AT_MOST]:
            table.add_row(
                str(batch.pk),
                f"{batch.mailing_id} {batch.mailing}" if batch.mailing else "single mails",
                str(batch.unknown),
                str(batch.size),
                f"{batch.settled_at:%Y-%m-%d %H:%M:%S}",
                batch.last_error,
            )
        self._print(table)
        self.stdout.write(f"Batches with mails in doubt: {batches.count()}.")

    def _show(self, options: dict[str, Any]) -> None:
        batch = Batch.objects.filter(pk=options["batch"]).first()
        if batch is None:
            raise CommandError(f"There is no batch {options['batch']}.")
        messages = Message.objects.filter(
            month=batch.month, batch=batch, state=Message.State.UNKNOWN
        ).order_by("pk")
        table = Table("message", "mailing", "address", "reason", "detail")
        for message in messages:
            table.add_row(
                str(message.pk),
                str(message.mailing_id),
                message.address,
                message.reason,
                message.detail,
            )
        self._print(table)
        self.stdout.write(f"Mails in doubt in batch {batch.pk}: {len(messages)}.")

    def _resolve(self, options: dict[str, Any]) -> None:
        as_ = Resolution(options["as_"])
        if options["retry"] and as_ is not Resolution.NOT_SENT:
            raise CommandError("--retry goes with --as not_sent only: the others were sent.")
        retried = 0
        try:
            with transaction.atomic():
                resolved = doubts.resolve_batch(
                    batch_id=options["batch"],
                    as_=as_,
                    by=getpass.getuser(),
                    note=options["note"],
                    message_ids=options["message"],
                )
                if options["retry"]:
                    retried = regrouping.retry_batch(batch_id=options["batch"])
        except MailError as error:
            raise CommandError(str(error)) from error
        if resolved.proven:
            self.stdout.write(f"Sent, as delivery events had proved: {resolved.proven}.")
        self.stdout.write(f"Settled as {as_}: {resolved.number}.")
        if options["retry"]:
            self.stdout.write(f"On their way again: {retried}.")

    def _print(self, table: Table) -> None:
        console = open_console(self.stdout)
        console.print(table)
