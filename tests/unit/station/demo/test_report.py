from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from apps.mail.results import Results
from apps.station.comparing import comparison_table, verdict
from apps.station.demo.report import Report, report_table
from apps.station.ledger import Comparison, Finding

NOTHING = Finding()
AGREEING = Comparison(
    mailing_id=1,
    sent=1_200,
    accepted=1_200,
    matching=1_200,
    missing=NOTHING,
    doubled=NOTHING,
    foreign=NOTHING,
    mismatched=NOTHING,
)
LOST = replace(
    AGREEING, accepted=1_199, matching=1_199, missing=Finding(1, ("message 7: sent, but [lost]",))
)


def report(comparison: Comparison = AGREEING) -> Report:
    counts = {
        ("sent", ""): 1_200,
        ("skipped", "unsubscribed"): 40,
        ("skipped", "some_new_reason"): 2,
        ("failed", "refused"): 12,
    }
    return Report(
        results=Results(counts),
        deliveries={30: 1_190, 40: 10},
        calls=14,
        throttled=0,
        seconds=3.0,
        comparison=comparison,
    )


def shown(table: object) -> str:
    console = Console(file=io.StringIO(), width=120)
    console.print(table)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("audience", "1,254"),
        ("sent", "1,200"),
        ("had unsubscribed", "40"),
        ("some_new_reason", "2"),
        ("refused by the provider", "12"),
        ("unknown", "0"),
        ("provider calls", "14"),
        ("duration", "3.0 s"),
        ("mails per second", "400"),
        ("delivered so far", "1,190"),
        ("bounced so far", "10"),
        ("in both exactly once, same id, same address", "1,200"),
    ],
)
def test_report_has_a_line_for_everything(name: str, value: str) -> None:
    cells = [[cell.strip() for cell in line.split("│")[1:-1]]
             for line in shown(report_table(report())).splitlines()]  # fmt: skip

    assert [name, value] in cells


def test_report_lists_disagreements_by_example() -> None:
    assert "message 7: sent, but [lost]" in shown(report_table(report(LOST)))


def test_comparison_lists_disagreements_by_example() -> None:
    assert "message 7: sent, but [lost]" in shown(comparison_table(LOST))


def test_verdict_says_whether_they_agree() -> None:
    assert verdict(AGREEING) == "Ledger and log agree, row by row: 1,200 of 1,200."
    assert verdict(LOST) == "Ledger and log do NOT agree: 1 difference."
