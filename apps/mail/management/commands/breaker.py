"""The breakers and budgets of provider accounts, from the command line."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.table import Table

from apps.brands.models import ProviderAccount
from apps.mail import standing
from apps.queues.terminal import ago, open_console

if TYPE_CHECKING:
    from apps.mail.standing import AccountStanding
    from apps.queues.breaking import Standing
    from apps.queues.limiting import Use

BROKER_AWAY = "The broker does not answer: this is unknown, and a reset reaches nobody else."


class Command(BaseCommand):
    help = (
        "Lists how provider accounts stand (breaker, use of the rate limit), and closes a breaker"
        " by hand. An open breaker tries one call by itself after each hold."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
        actions.add_parser("list", help="every account, its breaker and its budget")
        reset = actions.add_parser("reset", help="let calls through at once")
        reset.add_argument("name", help="of the account")

    def handle(self, *_args: Any, **options: Any) -> None:
        if options["action"] == "list":
            self._list()
        else:
            self._reset(options["name"])

    def _list(self) -> None:
        found = standing.states()
        table = Table(
            "account", "breaker", "held for", "errors", "last success", "used", "frozen for",
            "waiting",
        )  # fmt: skip
        for account in found:
            table.add_row(account.name, *_breaker(account.breaker), *_budget(account.use))
        open_console(self.stdout).print(table)
        if not all(_is_known(account) for account in found):
            self.stderr.write(BROKER_AWAY)

    def _reset(self, name: str) -> None:
        account = ProviderAccount.objects.filter(name=name).first()
        if account is None:
            raise CommandError(f"There is no account {name!r}; see `manage.py account list`.")
        after = standing.reset_breaker(account_id=account.pk, by=f"command:{getpass.getuser()}")
        if not after.shared:
            raise CommandError(BROKER_AWAY)
        self.stdout.write(f"The breaker of {name} is closed.")


def _is_known(account: AccountStanding) -> bool:
    return account.breaker.shared and account.use.shared


def _breaker(breaker: Standing) -> tuple[str, str, str, str]:
    if not breaker.shared:
        return "unknown", "", "", ""
    held = f"{breaker.held_for_s:.0f} s" if breaker.held_for_s else ""
    errors = f"{breaker.errors} of {breaker.calls}, {breaker.error_run} in a row"
    return breaker.phase, held, errors, ago(breaker.last_success_s)


def _budget(use: Use) -> tuple[str, str, str]:
    if not use.shared:
        return "unknown", "", ""
    limit = "no limit" if use.limit is None else f"{use.limit:g}/s"
    frozen = f"{use.frozen_for_s:.0f} s" if use.frozen_for_s else ""
    waiting = ", ".join(
        f"{part.waiting} {call_class}" for call_class, part in use.by_class.items() if part.waiting
    )
    return f"{use.per_second:.1f} of {limit}", frozen, waiting
