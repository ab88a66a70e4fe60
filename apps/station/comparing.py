"""A comparison of ledger and log as people read it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from apps.station.ledger import Comparison, Finding


def rows(comparison: Comparison) -> Iterator[tuple[str, int]]:
    """What was compared, and how much of it there is; disagreements only where there are some."""
    yield "called sent in our ledger", comparison.sent
    yield "accepted in the provider's log", comparison.accepted
    yield "in both exactly once, same id, same address", comparison.matching
    for name, finding in findings(comparison).items():
        yield name, finding.count
    if comparison.unknown:
        yield "called unknown in our ledger", comparison.unknown
        yield "  of these in the log", comparison.unknown_accepted
    if comparison.elsewhere:
        yield "in the log for other mailings (left out)", comparison.elsewhere


def findings(comparison: Comparison) -> dict[str, Finding]:
    """The four kinds of disagreement by their name for people."""
    return {
        "sent, but not in the log": comparison.missing,
        "in the log more than once": comparison.doubled,
        "in the log, but not called sent": comparison.foreign,
        "in both, but id or address differ": comparison.mismatched,
    }


def verdict(comparison: Comparison) -> str:
    """Say in one sentence whether they agree."""
    if comparison.agrees:
        return f"Ledger and log agree, row by row: {comparison.matching:,} of {comparison.sent:,}."
    differing = sum(one.count for one in findings(comparison).values())
    noun = "difference" if differing == 1 else "differences"
    return f"Ledger and log do NOT agree: {differing:,} {noun}."


def comparison_table(comparison: Comparison) -> Table:
    """Counts of everything, then the first examples of each disagreement."""
    table = Table("comparison, row by row", "rows", title_justify="left")
    table.columns[1].justify = "right"
    for name, number in rows(comparison):
        table.add_row(name, f"{number:,}")
    for name, finding in findings(comparison).items():
        for example in finding.examples:
            table.add_row(f"[red]{name}[/]: {escape(example)}", "")
    return table
