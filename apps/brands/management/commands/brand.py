"""Brands from the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.table import Table

from apps.brands import registering
from apps.brands.errors import BrandsError
from apps.brands.models import Brand
from apps.queues.terminal import open_console

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console


class Command(BaseCommand):
    help = "Creates, lists and shows brands. Exit code 1: it cannot be done, the message says why."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
        create = actions.add_parser("create", help="enter a brand")
        create.add_argument("slug", help="a short name for the command line, such as acme")
        create.add_argument("--name", required=True, help="as people know it")
        create.add_argument(
            "--postal-address", default="", help="no commercial mail goes out without it"
        )
        create.add_argument("--website", default="", metavar="URL")
        create.add_argument("--timezone", default="UTC", help="such as Europe/Berlin")
        create.add_argument("--locale", default="en")
        actions.add_parser("list", help="all brands")
        show = actions.add_parser("show", help="one brand with its senders")
        show.add_argument("slug")

    def handle(self, *_args: Any, **options: Any) -> None:
        actions: dict[str, Callable[[dict[str, Any]], None]] = {
            "create": self._create,
            "list": self._list,
            "show": self._show,
        }
        try:
            actions[options["action"]](options)
        except BrandsError as error:
            raise CommandError(str(error)) from error

    def _create(self, options: dict[str, Any]) -> None:
        brand = registering.add_brand(
            slug=options["slug"],
            name=options["name"],
            postal_address=options["postal_address"],
            website=options["website"],
            timezone=options["timezone"],
            locale=options["locale"],
        )
        self.stdout.write(f"Brand {brand.slug} is made.")
        if not brand.postal_address:
            self.stdout.write("It has no postal address yet: its campaigns cannot be launched.")

    def _list(self, _options: dict[str, Any]) -> None:
        table = Table("slug", "name", "time zone", "locale")
        for brand in Brand.objects.order_by("slug"):
            table.add_row(brand.slug, brand.name, brand.timezone, brand.locale)
        self._console.print(table)

    def _show(self, options: dict[str, Any]) -> None:
        brand = registering.find_brand(options["slug"])
        table = Table(title=brand.name, title_justify="left", show_header=False)
        table.add_row(
            "postal address", brand.postal_address or "none: campaigns cannot be launched"
        )
        table.add_row("website", brand.website)
        table.add_row("time zone", brand.timezone)
        table.add_row("locale", brand.locale)
        for sender in brand.senders.select_related("account").order_by("pk"):
            default = ", default" if sender.is_default else ""
            table.add_row(f"sender{default}", f"{sender} through {sender.account.name}")
        self._console.print(table)

    @property
    def _console(self) -> Console:
        return open_console(self.stdout)
