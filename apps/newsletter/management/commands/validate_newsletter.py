"""The newsletter's validation checklist."""

from __future__ import annotations

import sys
from argparse import RawDescriptionHelpFormatter
from typing import TYPE_CHECKING, Any

import orjson
from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.markup import escape
from rich.table import Table

from apps.brands.errors import UnknownBrandError
from apps.brands.registering import find_brand
from apps.newsletter.validating import told_at, validate
from apps.queues.terminal import open_console

if TYPE_CHECKING:
    from apps.newsletter.validating import Check

HELP = """\
Checks that the newsletter does what it should: digests of the week, due sequence steps, sent
against due, interactions stored, segments as wished, runs that failed. Reads only.

exit codes:
  0  every check passes
  1  one does not (its problems are told), or --brand is not known
  2  wrong arguments
"""


class Command(BaseCommand):
    help = HELP

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        kwargs.setdefault("formatter_class", RawDescriptionHelpFormatter)
        return super().create_parser(prog_name, subcommand, **kwargs)

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--brand", metavar="SLUG", help="only this one")
        parser.add_argument("--json", action="store_true", help="the outcome as JSON")

    def handle(self, *_: Any, brand: str | None, json: bool, **__: Any) -> None:
        checks = validate(brand_id=_brand_id(brand))
        passes = all(check.passes for check in checks)
        if json:
            document = {
                "passes": passes,
                "at": told_at(),
                "checks": [check.to_json() for check in checks],
            }
            self.stdout.write(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())
        else:
            open_console(self.stdout).print(_table(checks))
        if not passes:
            sys.exit(1)


def _brand_id(slug: str | None) -> int | None:
    if slug is None:
        return None
    try:
        return find_brand(slug).pk
    except UnknownBrandError as error:
        raise CommandError(f"--brand: {error}") from error


def _table(checks: list[Check]) -> Table:
    table = Table("check", "", "figures and problems", title_justify="left")
    for check in checks:
        figures = ", ".join(f"{name}: {value}" for name, value in check.figures.items())
        lines = [escape(check.asks), f"[dim]{escape(figures or 'nothing there')}[/]"]
        lines += [f"[red]{escape(problem)}[/]" for problem in check.problems]
        verdict = "[green]passes[/]" if check.passes else "[red]fails[/]"
        table.add_row(escape(check.name), verdict, "\n".join(lines))
    return table
