"""Looking at suppressed addresses, adding and lifting suppressions."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from rich.table import Table

from apps.brands.models import Brand
from apps.contacts import suppressing
from apps.contacts.addresses import normalise
from apps.contacts.errors import InvalidAddressError
from apps.contacts.models import SuppressionOrigin, SuppressionReason
from apps.queues.terminal import open_console

if TYPE_CHECKING:
    from collections.abc import Callable

    from apps.contacts.models import Suppression


class Command(BaseCommand):
    help = "Adds, lifts and shows suppressions: addresses that must not be mailed."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        add = actions.add_parser("add", help="suppress addresses")
        add.add_argument("address", nargs="+")
        _add_scope(add, default=SuppressionReason.BLOCKED)
        add.add_argument("--detail", default="", help="why; kept with the suppression")
        lift = actions.add_parser("lift", help="let an address be mailed again")
        lift.add_argument("address", nargs="+")
        _add_scope(lift, default=None)
        lift.add_argument("--by", default="", help="who decided it (default: the login name)")
        show = actions.add_parser("show", help="all suppressions an address ever had")
        show.add_argument("address", nargs=1)

    def handle(self, *_args: Any, **options: Any) -> None:
        actions: dict[str, Callable[[dict[str, Any]], None]] = {
            "add": self._add,
            "lift": self._lift,
            "show": self._show,
        }
        actions[options["action"]](options)

    def _add(self, options: dict[str, Any]) -> None:
        addresses = {_address(one) for one in options["address"]}
        try:
            added = suppressing.suppress_many(
                addresses=addresses,
                reason=SuppressionReason(options["reason"]),
                origin=SuppressionOrigin.OPERATOR,
                now=timezone.now(),
                brand_id=_brand_id(options["brand"]),
                detail=options["detail"],
            )
        except ValueError as error:
            raise CommandError(f"{error} (--brand SLUG)") from error
        self.stdout.write(f"{added} suppressed; {len(addresses) - added} already were.")

    def _lift(self, options: dict[str, Any]) -> None:
        addresses = {_address(one) for one in options["address"]}
        lifted = sum(
            suppressing.lift(
                address=address,
                reason=SuppressionReason(options["reason"]),
                lifted_by=options["by"] or getpass.getuser(),
                now=timezone.now(),
                brand_id=_brand_id(options["brand"]),
            )
            for address in addresses
        )
        self.stdout.write(f"{lifted} lifted; {len(addresses) - lifted} had no such suppression.")
        if lifted < len(addresses):
            self.stdout.write("`suppressions show ADDRESS` tells which there are.")

    def _show(self, options: dict[str, Any]) -> None:
        found = suppressing.history(_address(options["address"][0]))
        table = Table("reason", "holds for", "since", "origin", "detail", "lifted")
        for one in found:
            table.add_row(*_row(one))
        console = open_console(self.stdout)
        console.print(table if found else "Never suppressed.")


def _add_scope(parser: CommandParser, *, default: SuppressionReason | None) -> None:
    parser.add_argument(
        "--reason", choices=SuppressionReason.values, default=default, required=default is None
    )
    parser.add_argument("--brand", metavar="SLUG", help="for this brand alone (default: all)")


def _row(suppression: Suppression) -> tuple[str, ...]:
    lifted = ""
    if suppression.lifted_at:
        lifted = f"{suppression.lifted_at:%Y-%m-%d %H:%M} by {suppression.lifted_by}"
    return (
        suppression.reason,
        suppression.brand.slug if suppression.brand else "all brands",
        f"{suppression.created_at:%Y-%m-%d %H:%M}",
        suppression.origin,
        suppression.detail,
        lifted,
    )


def _address(text: str) -> str:
    try:
        return normalise(text).address
    except InvalidAddressError as error:
        raise CommandError(f"“{text}”: {error}") from error


def _brand_id(slug: str | None) -> int | None:
    if slug is None:
        return None
    brand = Brand.objects.filter(slug=slug).first()
    if brand is None:
        known = ", ".join(Brand.objects.order_by("slug").values_list("slug", flat=True))
        raise CommandError(f"There is no brand “{slug}”. The brands are: {known or 'none yet'}.")
    return brand.pk
