"""Provider accounts from the command line. Keys and secrets are read, never shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.table import Table

from apps.brands import accounts
from apps.brands.errors import BrandsError
from apps.brands.management.secrets import read_secret
from apps.brands.models import ProviderAccount
from apps.queues.terminal import open_console

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console


class Command(BaseCommand):
    help = (
        "Adds, lists, stops and starts provider accounts, and rotates their webhook secrets."
        " Exit code 1: it cannot be done, the message says why."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
        add = actions.add_parser("add", help="add an account; the API key comes from stdin or file")
        add.add_argument("name")
        add.add_argument("--api-key-file", metavar="FILE")
        add.add_argument("--webhook-secret-file", metavar="FILE", help="the secret begins whsec_")
        actions.add_parser("list", help="all accounts and their webhook addresses")
        stop = actions.add_parser("stop", help="send nothing through it from now on")
        stop.add_argument("name")
        stop.add_argument("--reason", required=True, help="shown wherever the account is missed")
        start = actions.add_parser("start", help="let it send again")
        start.add_argument("name")
        rotate = actions.add_parser(
            "rotate-webhook-secret", help="take a new secret; the present one stays valid too"
        )
        rotate.add_argument("name")
        rotate.add_argument("--secret-file", metavar="FILE")
        rotate.add_argument(
            "--forget-previous",
            action="store_true",
            help="take no new one, but let only the newest be valid",
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        actions: dict[str, Callable[[dict[str, Any]], None]] = {
            "add": self._add,
            "list": self._list,
            "stop": self._stop,
            "start": self._start,
            "rotate-webhook-secret": self._rotate,
        }
        try:
            actions[options["action"]](options)
        except BrandsError as error:
            raise CommandError(str(error)) from error

    def _add(self, options: dict[str, Any]) -> None:
        secret_file = options["webhook_secret_file"]
        account = accounts.add_account(
            name=options["name"],
            api_key=read_secret("API key", file=options["api_key_file"], option="--api-key-file"),
            webhook_secret=read_secret(
                "webhook secret", file=secret_file, option="--webhook-secret-file"
            )
            if secret_file
            else "",
        )
        self.stdout.write(f"Account {account.name} is added; its webhooks go to")
        self.stdout.write(webhook_url(account))

    def _list(self, _options: dict[str, Any]) -> None:
        for account in ProviderAccount.objects.order_by("name"):
            table = Table(title=account.name, title_justify="left", show_header=False)
            table.add_row("provider", account.get_kind_display())
            table.add_row("state", _state(account))
            table.add_row("limit", f"{account.rate_limit:g} requests a second")
            table.add_row("webhook secrets", _secrets(account))
            self._console.print(table)
            # On a line of its own, so that it can be copied however narrow the terminal is.
            self.stdout.write(webhook_url(account))

    def _stop(self, options: dict[str, Any]) -> None:
        account = accounts.find_account(options["name"])
        accounts.stop(account_id=account.pk, reason=options["reason"])
        self.stdout.write(f"Account {account.name} is stopped; calls under way end.")

    def _start(self, options: dict[str, Any]) -> None:
        account = accounts.find_account(options["name"])
        waiting = accounts.start(account_id=account.pk)
        self.stdout.write(f"Account {account.name} sends again.")
        if waiting:
            self.stdout.write(
                f"{len(waiting)} paused because of it, to be resumed by hand: {', '.join(waiting)}"
            )

    def _rotate(self, options: dict[str, Any]) -> None:
        account = accounts.find_account(options["name"])
        if options["forget_previous"]:
            accounts.forget_previous_webhook_secret(account_id=account.pk)
            self.stdout.write("Only the newest webhook secret is valid now.")
            return
        secret = read_secret("webhook secret", file=options["secret_file"], option="--secret-file")
        accounts.rotate_webhook_secret(account_id=account.pk, secret=secret)
        self.stdout.write(
            "The new webhook secret is valid, and the one before it too, until you give"
            " --forget-previous."
        )

    @property
    def _console(self) -> Console:
        return open_console(self.stdout)


def webhook_url(account: ProviderAccount) -> str:
    return f"{settings.PUBLIC_BASE_URL}/webhooks/{account.kind}/{account.webhook_token}/"


def _state(account: ProviderAccount) -> str:
    if account.stopped_at is None:
        return "sends"
    return f"stopped since {account.stopped_at:%Y-%m-%d %H:%M} UTC: {account.stopped_reason}"


def _secrets(account: ProviderAccount) -> str:
    known = [bool(account.webhook_secret), bool(account.previous_webhook_secret)]
    return {0: "none: webhooks are refused", 1: "one", 2: "two, while it is being changed"}[
        sum(known)
    ]
