"""What the command does between draft and launch: schedule, dry run, test, duplicate, approve."""

from __future__ import annotations

import getpass
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.core.management.base import CommandError

from apps.campaigns import (
    approving,
    drafting,
    dry_running,
    local_times,
    scheduling,
    showing,
    trial_mails,
)
from apps.campaigns.counting import AudienceCount
from apps.campaigns.fingerprints import fingerprint
from apps.contacts.addresses import normalise
from apps.contacts.models import Contact

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from rich.console import Console

    from apps.campaigns.models import Campaign

TIME_EXAMPLE = "such as 2026-10-24T09:00, in the brand's time zone"
# A run that nobody else works on ends by this command's own hands.
TURN_SECONDS = 60.0


def add_desk_actions(add: Callable[[str, str], argparse.ArgumentParser]) -> None:
    schedule = add("schedule", "have it started at a time, or never")
    schedule.add_argument("--at", required=True, metavar="TIME", help=TIME_EXAMPLE)
    schedule.add_argument(
        "--latest-start", required=True, metavar="TIME", help="not after; then nothing is sent"
    )
    add("unschedule", "make it a draft again")
    add("dry-run", "work out who would get it and who not, and why")
    test = add("test", "send it to a few addresses to look at")
    test.add_argument("--to", required=True, action="append", metavar="EMAIL", help="repeatable")
    test.add_argument("--as", dest="person", default="", metavar="EMAIL", help="as this contact")
    add("duplicate", "make a draft like it")
    add("request-approval", "ask a second person")
    approve = add("approve", "as a second person")
    approve.add_argument("--note", default="")


def schedule(campaign: Campaign, options: dict[str, Any], write: Callable[[str], object]) -> None:
    scheduled = scheduling.schedule(
        campaign_id=campaign.pk,
        at=_time(options["at"], "--at"),
        latest_start=_time(options["latest_start"], "--latest-start"),
        actor=_actor(),
    )
    if scheduled.scheduled_at and scheduled.latest_start:
        zone = scheduled.brand.timezone
        at, latest = (
            local_times.shown(one, zone=zone)
            for one in (scheduled.scheduled_at, scheduled.latest_start)
        )
        write(f"Campaign {campaign.pk} starts at {at}, and not after {latest}.")


def unschedule(campaign: Campaign, write: Callable[[str], object]) -> None:
    scheduling.unschedule(campaign_id=campaign.pk, actor=_actor())
    write(f"Campaign {campaign.pk} is a draft again.")


def dry_run(campaign: Campaign, console: Console) -> None:
    """Does the work itself, beside the workers: it is over even where none runs."""
    run = dry_running.start_dry_run(campaign_id=campaign.pk, actor=_actor())
    started = time.monotonic()
    while run.state == run.State.RUNNING:
        dry_running.run_dry(dry_run_id=run.pk, turn_seconds=TURN_SECONDS)
        run.refresh_from_db()
    console.print(showing.count_table(AudienceCount(run.looked_at, run.would_get, run.skipped)))
    console.print(f"{run.state} after {time.monotonic() - started:.1f} s; the rows are in admin.")


def test(campaign: Campaign, options: dict[str, Any], write: Callable[[str], object]) -> None:
    sent = trial_mails.send_test(
        campaign_id=campaign.pk,
        addresses=options["to"],
        contact_id=_contact_id(campaign, options["person"]),
        actor=_actor(),
    )
    write(f"{len(sent)} test mails are on their way.")


def duplicate(campaign: Campaign, write: Callable[[str], object]) -> None:
    copy = drafting.duplicate_campaign(campaign_id=campaign.pk, actor=_actor())
    write(f"Campaign {copy.pk} ({copy.slug}) is a draft.")


def request_approval(campaign: Campaign, write: Callable[[str], object]) -> None:
    approving.request_approval(campaign_id=campaign.pk, actor=_actor())
    write("A second person can approve it now.")


def approve(campaign: Campaign, options: dict[str, Any], write: Callable[[str], object]) -> None:
    approving.approve(
        campaign_id=campaign.pk,
        seen=fingerprint(campaign),
        actor=_actor(),
        note=options["note"],
    )
    write(f"Campaign {campaign.pk} is approved.")


def _time(typed: str, option: str) -> datetime:
    try:
        return datetime.fromisoformat(typed)
    except ValueError as error:
        raise CommandError(f"{option}: write a time {TIME_EXAMPLE}.") from error


def _contact_id(campaign: Campaign, typed: str) -> int | None:
    if not typed:
        return None
    found = Contact.objects.of_brand(campaign.brand_id).with_addresses([normalise(typed).address])
    contact_id = found.values_list("pk", flat=True).first()
    if contact_id is None:
        raise CommandError("--as: the brand has no contact with this address.")
    return contact_id


def _actor() -> str:
    return getpass.getuser()
