"""The command between draft and launch."""

from __future__ import annotations

import getpass
import io
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from apps.campaigns.models import Approval, Campaign, DryRun
from apps.mail.models import Message

if TYPE_CHECKING:
    from tests.integration.campaigns.conftest import Newsroom


@pytest.fixture
def campaign(newsroom: Newsroom) -> Campaign:
    newsroom.add_people(4)
    return newsroom.campaign(slug="sale", name="Sale")


def run(*words: str) -> str:
    out = io.StringIO()
    call_command("campaign", *words, stdout=out)
    return out.getvalue()


def test_schedule_and_unschedule(campaign: Campaign) -> None:
    at = (datetime.now(tz=UTC) + timedelta(days=1)).replace(microsecond=0, tzinfo=None)
    latest = at + timedelta(hours=4)

    said = run("schedule", "sale", "--at", at.isoformat(), "--latest-start", latest.isoformat())

    assert said.startswith(f"Campaign {campaign.pk} starts at {at:%d %b %Y %H:%M} (UTC, +00:00)")
    assert Campaign.objects.get().scheduled_at == at.replace(tzinfo=UTC)
    assert "draft again" in run("unschedule", "sale")
    with pytest.raises(CommandError, match="--at: write a time such as"):
        run("schedule", "sale", "--at", "soon", "--latest-start", latest.isoformat())


def test_dry_run_counts_and_keeps_its_rows(newsroom: Newsroom, campaign: Campaign) -> None:
    newsroom.suppress(3)

    said = run("dry-run", "sale")

    assert "skipped: hard_bounce" in said
    assert "completed after" in said
    assert DryRun.objects.get().would_get == 3


def test_test_mails_and_a_copy(campaign: Campaign) -> None:
    said = run("test", "sale", "--to", "me@desk.example", "--as", "p1@people.example")

    assert said == "1 test mails are on their way.\n"
    assert Message.objects.get().address == "me@desk.example"
    with pytest.raises(CommandError, match="--as: the brand has no contact"):
        run("test", "sale", "--to", "me@desk.example", "--as", "zoe@people.example")
    with pytest.raises(CommandError, match="number 1: "):
        run("test", "sale", "--to", "me")
    assert "(copy-of-sale) is a draft" in run("duplicate", "sale")


def test_approval_needs_two_people(campaign: Campaign, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(getpass, "getuser", lambda: "anna")
    run("request-approval", "sale")
    with pytest.raises(CommandError, match="second person must approve"):
        run("approve", "sale")
    monkeypatch.setattr(getpass, "getuser", lambda: "bert")

    run("approve", "sale", "--note", "Good.")

    assert Approval.objects.get().decided_by == "bert"
