"""API keys from the command line."""

from __future__ import annotations

import getpass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.table import Column, Table

from apps.brands import keys, registering
from apps.brands.errors import BrandsError
from apps.brands.models import ApiKey, Scope
from apps.queues.terminal import open_console

if TYPE_CHECKING:
    from collections.abc import Callable

    from apps.brands.keys import IssuedKey


class Command(BaseCommand):
    help = (
        "Makes, lists, rotates and revokes API keys. A key is printed once, on standard output."
        " Exit code 1: it cannot be done, the message says why."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
        create = actions.add_parser("create", help="make a key and print it")
        create.add_argument("name", help="which program uses it, such as shop")
        create.add_argument("--brand", required=True, metavar="SLUG")
        create.add_argument(
            "--scope",
            action="append",
            required=True,
            choices=Scope.values,
            metavar="SCOPE",
            help=f"may be repeated; one of {', '.join(Scope.values)}",
        )
        create.add_argument("--days", type=int, metavar="N", help="expires after so many days")
        listing = actions.add_parser("list", help="all keys, without their secrets")
        listing.add_argument("--brand", metavar="SLUG")
        rotate = actions.add_parser("rotate", help="make its successor and print that")
        rotate.add_argument("prefix", help="as “list” shows it")
        rotate.add_argument(
            "--grace-days",
            type=int,
            default=keys.ROTATION_GRACE.days,
            metavar="N",
            help="how long the old one stays valid (default %(default)s)",
        )
        revoke = actions.add_parser("revoke", help="end a key now")
        revoke.add_argument("prefix", help="as “list” shows it")

    def handle(self, *_args: Any, **options: Any) -> None:
        actions: dict[str, Callable[[dict[str, Any]], None]] = {
            "create": self._create,
            "list": self._list,
            "rotate": self._rotate,
            "revoke": self._revoke,
        }
        try:
            actions[options["action"]](options)
        except BrandsError as error:
            raise CommandError(str(error)) from error

    def _create(self, options: dict[str, Any]) -> None:
        days = options["days"]
        self._print(
            keys.issue(
                brand=registering.find_brand(options["brand"]),
                name=options["name"],
                scopes=options["scope"],
                by=getpass.getuser(),
                expires_at=None if days is None else datetime.now(tz=UTC) + timedelta(days=days),
            )
        )

    def _rotate(self, options: dict[str, Any]) -> None:
        grace = timedelta(days=max(0, options["grace_days"]))
        key = _find(options["prefix"])
        self._print(keys.rotate(key_id=key.pk, by=getpass.getuser(), grace=grace))

    def _revoke(self, options: dict[str, Any]) -> None:
        key = _find(options["prefix"])
        keys.revoke(key_id=key.pk)
        self.stderr.write(f"{key} is revoked.")

    def _list(self, options: dict[str, Any]) -> None:
        found = ApiKey.objects.select_related("brand").order_by("brand__slug", "name", "pk")
        if options["brand"]:
            found = found.filter(brand=registering.find_brand(options["brand"]))
        prefix = Column("prefix", no_wrap=True)  # it is typed into the next command
        table = Table("brand", "name", prefix, "scopes", "expires", "last used", "revoked")
        for key in found:
            table.add_row(
                key.brand.slug,
                key.name,
                key.prefix,
                ", ".join(key.scopes),
                *(f"{at:%Y-%m-%d %H:%M}" if at else "" for at in _times(key)),
            )
        open_console(self.stdout).print(table)

    def _print(self, issued: IssuedKey) -> None:
        """The token alone on standard output, so that it can be piped into a secret's store."""
        self.stderr.write(f"{issued.key} is made for {issued.key.brand}. It is shown only now:")
        self.stdout.write(issued.token)


def _times(key: ApiKey) -> tuple[datetime | None, ...]:
    return key.expires_at, key.last_used_at, key.revoked_at


def _find(prefix: str) -> ApiKey:
    key = ApiKey.objects.filter(prefix=prefix.partition("_")[0]).first()
    if key is None:
        raise CommandError("There is no key of this prefix: “api_key list” shows them all.")
    return key
