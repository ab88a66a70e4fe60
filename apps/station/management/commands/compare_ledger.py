"""Compare a campaign's messages with the sandbox's log of what it accepted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError

from apps.campaigns.models import Campaign
from apps.queues.terminal import open_console
from apps.station import ledger
from apps.station.comparing import comparison_table, verdict

if TYPE_CHECKING:
    from argparse import ArgumentParser


class Command(BaseCommand):
    help = (
        "Compares a campaign's messages with the sandbox's log of accepted mails, row by row. "
        "Exit codes: 0 they agree, 1 they differ or cannot be read."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--campaign", type=int, required=True, metavar="ID")
        parser.add_argument(
            "--log", type=Path, required=True, metavar="PATH", help="the sandbox's accepted.jsonl"
        )

    def handle(self, *_: Any, campaign: int, log: Path, **__: Any) -> None:
        comparison = _compare(_mailing_of(campaign), log)
        open_console(self.stdout).print(comparison_table(comparison))
        if not comparison.agrees:
            raise CommandError(verdict(comparison))
        self.stdout.write(verdict(comparison))


def _mailing_of(campaign_id: int) -> int:
    campaign = Campaign.objects.filter(pk=campaign_id).first()
    if campaign is None:
        raise CommandError(f"--campaign: there is no campaign {campaign_id}.")
    if campaign.mailing_id is None:
        raise CommandError(f"--campaign: campaign {campaign_id} was not launched yet.")
    return campaign.mailing_id


def _compare(mailing_id: int, log: Path) -> ledger.Comparison:
    try:
        return ledger.compare(mailing_id, ledger.read_log(log))
    except (OSError, ledger.UnreadableLogError) as error:
        raise CommandError(f"--log: {log} cannot be read: {error}") from error
