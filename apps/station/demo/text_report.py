"""The table at the end of the text campaign."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db.models import Count, Max, Min
from rich.markup import escape
from rich.table import Table

from apps.sms.choosing.reasons import WORDING
from apps.sms.models import SentText

if TYPE_CHECKING:
    from collections.abc import Iterator

    from apps.brands.models import Brand
    from apps.sandbox.lime.handle import LimeSandbox
    from apps.sms.models import ChoiceRun
    from apps.station.ledger import Finding
    from apps.station.text_ledger import TextComparison

MINUTE_SECONDS = 60
Line = tuple[str, str]


def text_table(
    brand: Brand, run: ChoiceRun, lime: LimeSandbox, comparison: TextComparison
) -> Table:
    """All of it in one table, numbers to the right."""
    table = Table(show_header=False, min_width=64)
    table.add_column()
    table.add_column(justify="right")
    for section in (_choice(run), _outcomes(brand), _provider(brand, lime), _compared(comparison)):
        for name, value in section:
            table.add_row(name, value)
        table.add_section()
    return table


def _choice(run: ChoiceRun) -> Iterator[Line]:
    yield "[bold]looked at[/]", f"{run.looked_at:,}"
    yield "[bold]reserved a text for[/]", f"{run.reserved:,}"
    for reason, number in sorted(run.reasons.items(), key=lambda found: -found[1]):
        yield f"  not: {WORDING.get(reason, reason)}", f"{number:,}"
    yield "  chosen and reserved within", f"{run.duration_ms / 1000:.1f} s"


def _outcomes(brand: Brand) -> Iterator[Line]:
    texts = SentText.objects.filter(brand=brand)
    by_state = dict(texts.values_list("state").annotate(Count("pk")).order_by())
    for state in SentText.State:
        number = by_state.get(state.value, 0)
        if not number and state != SentText.State.UNKNOWN:
            continue
        yield f"[bold]{state.label}[/]", f"{number:,}"
        if state != SentText.State.SENT:
            reasons = texts.filter(state=state).values_list("reason").annotate(Count("pk"))
            for reason, count in reasons.order_by("reason"):
                yield f"  {reason.replace('_', ' ')}", f"{count:,}"


def _provider(brand: Brand, lime: LimeSandbox) -> Iterator[Line]:
    texts = SentText.objects.filter(brand=brand, state=SentText.State.SENT)
    times = texts.aggregate(first=Min("calling_at"), last=Max("settled_at"), number=Count("pk"))
    stats = lime.stats()
    yield "provider calls", f"{stats.sends:,}"
    yield "  most in a minute", f"{lime.busiest(seconds=MINUTE_SECONDS):,}"
    yield "  refused for being too many (429)", f"{stats.errors.get('429', 0):,}"
    if times["number"]:
        seconds = (times["last"] - times["first"]).total_seconds()
        yield "duration", f"{seconds:.1f} s"
        yield "  texts per second", f"{times['number'] / seconds:,.0f}" if seconds else "-"


def _compared(comparison: TextComparison) -> Iterator[Line]:
    yield "called sent in our sent log", f"{comparison.sent:,}"
    yield "accepted in the provider's log", f"{comparison.accepted:,}"
    yield "in both", f"{comparison.matching:,}"
    for name, finding in _findings(comparison).items():
        yield name, f"{finding.count:,}"
        for example in finding.examples:
            yield f"  [red]{name}[/]: {escape(example)}", ""
    if comparison.unknown:
        yield "called unknown in our sent log", f"{comparison.unknown:,}"
        yield "  of these in the provider's", f"{comparison.unknown_accepted:,}"


def _findings(comparison: TextComparison) -> dict[str, Finding]:
    return {
        "numbers with texts that are not in the log": comparison.missing,
        "numbers with more texts in the log": comparison.doubled,
        "numbers in the log that got no text of ours": comparison.foreign,
    }


def text_verdict(comparison: TextComparison) -> str:
    """Say in one sentence whether they agree."""
    if comparison.agrees:
        return (
            f"Sent log and provider's log agree, number by number: {comparison.matching:,} of "
            f"{comparison.sent:,} texts."
        )
    return "Sent log and provider's log do NOT agree."
