"""Senders from the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.table import Table

from apps.brands import accounts, registering
from apps.brands.errors import BrandsError
from apps.brands.models import Sender
from apps.queues.terminal import open_console

if TYPE_CHECKING:
    from collections.abc import Callable


class Command(BaseCommand):
    help = "Adds and lists senders. Exit code 1: it cannot be done, the message says why."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
        add = actions.add_parser("add", help="let a brand send from an address")
        add.add_argument("email")
        add.add_argument("--brand", required=True, metavar="SLUG")
        add.add_argument("--account", required=True, metavar="NAME")
        add.add_argument("--name", required=True, help="shown before the address")
        add.add_argument("--reply-to", default="", metavar="EMAIL")
        add.add_argument("--default", action="store_true", help="the brand's default from now on")
        listing = actions.add_parser("list", help="all senders")
        listing.add_argument("--brand", metavar="SLUG")

    def handle(self, *_args: Any, **options: Any) -> None:
        actions: dict[str, Callable[[dict[str, Any]], None]] = {
            "add": self._add,
            "list": self._list,
        }
        try:
            actions[options["action"]](options)
        except BrandsError as error:
            raise CommandError(str(error)) from error

    def _add(self, options: dict[str, Any]) -> None:
        sender = registering.add_sender(
            brand=registering.find_brand(options["brand"]),
            account=accounts.find_account(options["account"]),
            name=options["name"],
            email=options["email"],
            reply_to=options["reply_to"],
            is_default=options["default"],
        )
        default = " and is its default sender" if sender.is_default else ""
        self.stdout.write(f"{sender} sends for {sender.brand.slug}{default}.")

    def _list(self, options: dict[str, Any]) -> None:
        senders = Sender.objects.select_related("brand", "account").order_by("brand__slug", "pk")
        if options["brand"]:
            senders = senders.filter(brand=registering.find_brand(options["brand"]))
        table = Table("brand", "from", "account", "default", "domain verified")
        for sender in senders:
            verified = (
                f"{sender.verified_at:%Y-%m-%d %H:%M} UTC" if sender.verified_at else "not yet"
            )
            table.add_row(
                sender.brand.slug,
                str(sender),
                sender.account.name,
                "yes" if sender.is_default else "",
                verified,
            )
        open_console(self.stdout).print(table)
