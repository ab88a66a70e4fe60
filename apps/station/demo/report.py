"""The table at the end: what became of everybody, what it took, and whether the log agrees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db.models import Count
from rich.markup import escape
from rich.table import Table

from apps.mail import results
from apps.mail.models import Message
from apps.station.comparing import findings, rows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from apps.mail.models import Mailing
    from apps.sandbox.handle import SandboxStats
    from apps.station.ledger import Comparison

BATCH_PATH = "/emails/batch"
# The words behind a reason in our ledger.
_REASONS = {
    "unsubscribed": "had unsubscribed",
    "not_opted_in": "never confirmed",
    "paused": "asked for a pause",
    "hard_bounce": "address known to bounce",
    "complaint": "had complained",
    "blocked": "blocked by hand",
    "erased": "erased",
    "excluded": "excluded by the campaign's rules",
    "refused": "refused by the provider",
    "template": "template failed",
}


@dataclass(frozen=True, slots=True)
class Report:
    """Everything the last table shows."""

    results: results.Results
    deliveries: Mapping[int, int]
    """Messages by `Message.Delivery`."""
    calls: int
    throttled: int
    seconds: float
    comparison: Comparison


def collect(mailing: Mailing, stats: SandboxStats, comparison: Comparison) -> Report:
    """Read what became of a completed mailing."""
    effort = results.effort(mailing)
    ended = effort.ended_at or effort.started_at
    news = Message.objects.of(mailing).values_list("delivery").annotate(Count("pk")).order_by()
    return Report(
        results=results.results(mailing),
        deliveries=dict(news),
        calls=effort.calls,
        throttled=sum(stats.refused_429.values()),
        seconds=(ended - effort.started_at).total_seconds(),
        comparison=comparison,
    )


def report_table(report: Report) -> Table:
    """All of it in one table, numbers to the right."""
    table = Table(show_header=False, min_width=64)
    table.add_column()
    table.add_column(justify="right")
    for section in (_recipients(report), _provider(report), _comparison(report)):
        for name, value in section:
            table.add_row(name, value)
        table.add_section()
    return table


def _recipients(report: Report) -> list[tuple[str, str]]:
    found = report.results
    lines = [("[bold]audience[/]", f"{found.total():,}")]
    lines.append(("[bold green]sent[/]", f"{found.total(Message.State.SENT):,}"))
    for state in (Message.State.SKIPPED, Message.State.FAILED, Message.State.UNKNOWN):
        lines.append((f"[bold]{state.label}[/]", f"{found.total(state):,}"))
        lines += [
            (f"  {_REASONS.get(reason, reason)}", f"{number:,}")
            for reason, number in found.by_reason(state).items()
        ]
    if pending := found.total(Message.State.PENDING):
        lines.append(("[bold red]still pending[/]", f"{pending:,}"))
    return lines


def _provider(report: Report) -> list[tuple[str, str]]:
    sent = report.results.total(Message.State.SENT)
    delivered = report.deliveries.get(Message.Delivery.DELIVERED, 0)
    bounced = report.deliveries.get(Message.Delivery.BOUNCED, 0)
    return [
        ("provider calls", f"{report.calls:,}"),
        ("  refused for being too many (429)", f"{report.throttled:,}"),
        ("duration", f"{report.seconds:.1f} s"),
        ("  mails per second", f"{sent / report.seconds:,.0f}" if report.seconds else "-"),
        ("delivered so far", f"{delivered:,}"),
        ("bounced so far", f"{bounced:,}"),
    ]


def _comparison(report: Report) -> list[tuple[str, str]]:
    lines = [(name, f"{number:,}") for name, number in rows(report.comparison)]
    for name, finding in findings(report.comparison).items():
        lines += [(f"  [red]{name}[/]: {escape(example)}", "") for example in finding.examples]
    return lines
