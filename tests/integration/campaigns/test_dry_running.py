"""A dry run says what a launch would do, and never keeps anybody waiting."""

from __future__ import annotations

import csv
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models.functions import Now

from apps.campaigns import drafting, dry_run_rows, dry_running, launching, planning
from apps.campaigns.dry_run_rows import page
from apps.campaigns.errors import AlreadyLaunched, DryRunError, UnknownReferenceError
from apps.campaigns.models import Campaign, DryRun
from apps.contacts import eligibility
from apps.contacts.models import Contact, Suppression
from apps.mail.models import Message
from apps.queues.names import TaskName
from apps.queues.sweeping import Due

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.campaigns.conftest import Newsroom


def ran(campaign: Campaign) -> DryRun:
    run = dry_running.start_dry_run(campaign_id=campaign.pk, actor="anna")
    dry_running.run_dry(dry_run_id=run.pk)
    return fresh(run)


def fresh(run: DryRun) -> DryRun:
    return DryRun.objects.select_related("campaign").get(pk=run.pk)


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dry_running, "PAGE_SIZE", 7)


@pytest.fixture
def everybody(newsroom: Newsroom) -> Newsroom:
    """People for every reason there is, and some for none."""
    newsroom.add_people(30)
    newsroom.suppress(3, 4)
    newsroom.add_people(5, start=100, status="unsubscribed")
    newsroom.add_person("pending", status="pending")
    newsroom.add_person("erased", erased_at=Now())
    newsroom.add_person("paused", paused_until=Now() + timedelta(days=30))
    newsroom.add_topic("quiet", newsroom.add_person("quiet"))
    for name, reason, brand in (
        ("blocked", "blocked", None),
        ("complained", "complaint", newsroom.brand),
    ):
        person = newsroom.add_person(name)
        Suppression.objects.create(
            address=person.address, reason=reason, origin="operator", brand=brand
        )
    return newsroom


RULES = {
    "everyone": True,
    "exclude": {"topics": ["quiet"], "traits": [{"trait": "plan", "is": "free"}]},
}


def test_dry_run_is_what_a_launch_comes_to(everybody: Newsroom, small_pages: None) -> None:
    campaign = everybody.campaign(audience=RULES)

    run = ran(campaign)
    found = {row.contact_id: row.reason for row in page(run, size=1000).rows}
    launched = launching.launch(campaign_id=campaign.pk, by="anna")
    planning.plan_audience(campaign_id=campaign.pk)

    assert launched.mailing is not None
    messages = Message.objects.of(launched.mailing).values_list("contact_id", "state", "reason")
    planned = {contact: reason if state == "skipped" else "" for contact, state, reason in messages}
    assert found == planned
    assert set(found.values()) == {"", "excluded", *eligibility.SkipReason.values}
    assert run.skipped == {
        reason: list(found.values()).count(reason) for reason in set(found.values()) - {""}
    }
    assert (run.state, run.would_get) == ("completed", list(found.values()).count(""))


def test_run_without_people_completes(newsroom: Newsroom) -> None:
    run = ran(newsroom.campaign())

    assert (run.state, run.looked_at) == ("completed", 0)
    assert page(run).rows == []


def test_turn_ends_and_the_run_goes_on_later(
    everybody: Newsroom, small_pages: None, enqueued: list[Any]
) -> None:
    campaign = everybody.campaign()
    run = dry_running.start_dry_run(campaign_id=campaign.pk, actor="anna")

    dry_running.run_dry(dry_run_id=run.pk, turn_seconds=0)

    assert (fresh(run).state, fresh(run).looked_at) == ("running", 7)
    assert enqueued == [(TaskName.RUN_DRY, {"dry_run_id": run.pk})] * 2
    dry_running.run_dry(dry_run_id=run.pk)
    assert fresh(run).looked_at == Contact.objects.count()


def test_run_whose_runner_is_gone_is_due(everybody: Newsroom) -> None:
    run = dry_running.start_dry_run(campaign_id=everybody.campaign().pk, actor="anna")
    assert list(dry_running.due_dry_runs()) == []

    DryRun.objects.update(moved_at=Now() - timedelta(seconds=dry_running.SILENT_SECONDS + 1))

    assert list(dry_running.due_dry_runs()) == [Due(TaskName.RUN_DRY, 1, {"dry_run_id": run.pk})]


def test_second_run_at_once_is_refused(everybody: Newsroom) -> None:
    campaign = everybody.campaign()
    dry_running.start_dry_run(campaign_id=campaign.pk, actor="anna")

    with pytest.raises(DryRunError, match="under way"):
        dry_running.start_dry_run(campaign_id=campaign.pk, actor="bert")


def test_new_run_takes_the_place_of_the_last(everybody: Newsroom) -> None:
    campaign = everybody.campaign()
    first = ran(campaign)

    second = ran(campaign)

    assert list(DryRun.objects.all()) == [second]
    assert tables() == {second.rows_table}
    assert first.rows_table != second.rows_table


def test_cancelled_run_stops_and_leaves_no_rows(everybody: Newsroom, small_pages: None) -> None:
    run = dry_running.start_dry_run(campaign_id=everybody.campaign().pk, actor="anna")
    dry_running.run_dry(dry_run_id=run.pk, turn_seconds=0)

    dry_running.cancel_dry_run(dry_run_id=run.pk, actor="bert")
    dry_running.run_dry(dry_run_id=run.pk)

    assert (fresh(run).state, fresh(run).looked_at) == ("cancelled", 7)
    assert tables() == set()
    with pytest.raises(DryRunError, match="cancelled already"):
        dry_running.cancel_dry_run(dry_run_id=run.pk, actor="bert")
    with pytest.raises(DryRunError, match="run it again"):
        page(fresh(run))


def test_rows_lost_in_a_crash_are_noticed(everybody: Newsroom, small_pages: None) -> None:
    under_way = dry_running.start_dry_run(campaign_id=everybody.campaign().pk, actor="anna")
    dry_running.run_dry(dry_run_id=under_way.pk, turn_seconds=0)
    over = ran(everybody.campaign())
    for run in (under_way, over):
        with connection.cursor() as cursor:
            cursor.execute(f"TRUNCATE {run.rows_table}")

    dry_running.run_dry(dry_run_id=under_way.pk)

    assert fresh(under_way).state == "lost"
    with pytest.raises(DryRunError, match="run it again"):
        page(fresh(over))


def test_unknown_topics_and_launched_campaigns_are_refused(newsroom: Newsroom) -> None:
    campaign, _ = newsroom.launched(1)

    with pytest.raises(AlreadyLaunched):
        dry_running.start_dry_run(campaign_id=campaign.pk, actor="anna")
    with pytest.raises(UnknownReferenceError):
        dry_running.start_dry_run(
            campaign_id=newsroom.campaign(audience={"topics": {"any": ["gone"]}}).pk, actor="anna"
        )


# --- Retention --------------------------------------------------------------------------------


def test_old_runs_go_with_their_rows(everybody: Newsroom) -> None:
    old, young = ran(everybody.campaign()), ran(everybody.campaign())
    past = Now() - timedelta(days=dry_running.KEPT_DAYS, minutes=1)
    DryRun.objects.filter(pk=old.pk).update(moved_at=past)

    assert dry_running.delete_old_dry_runs() == 1

    assert tables() == {young.rows_table}


def test_deleted_draft_leaves_no_rows(everybody: Newsroom) -> None:
    campaign, other = everybody.campaign(), everybody.campaign()
    ran(campaign)
    ran(other)

    drafting.delete_draft(campaign_id=campaign.pk, actor="anna")
    other.delete()  # past the service

    assert len(tables()) == 1
    dry_running.delete_old_dry_runs()
    assert tables() == set()


def tables() -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT relname FROM pg_class WHERE relname ~ '^campaigns_dry_run_rows_'")
        return {name for (name,) in cursor.fetchall() if name.rsplit("_", 1)[1].isdigit()}


# --- Reading ----------------------------------------------------------------------------------


def addresses(found: dry_run_rows.Page) -> list[str]:
    return [row.address.partition("@")[0] for row in found.rows]


def test_pages_follow_each_other_by_address(everybody: Newsroom) -> None:
    run = ran(everybody.campaign())
    seen: list[str] = []
    after = ""
    while True:
        found = page(run, after=after, size=9)
        seen += [row.address for row in found.rows]
        if not (after := found.next_after):
            break

    assert seen == sorted(Contact.objects.values_list("address", flat=True))


def test_rows_are_found_by_prefix_and_reason(everybody: Newsroom) -> None:
    run = ran(everybody.campaign())

    assert addresses(page(run, prefix="P10")) == ["p100", "p101", "p102", "p103", "p104", "p10"]
    assert addresses(page(run, prefix="p1", reason="unsubscribed", size=2)) == ["p100", "p101"]
    assert addresses(page(run, reason="hard_bounce")) == ["p3", "p4"]
    assert addresses(page(run, prefix="p10", reason="")) == ["p10"]
    assert addresses(page(run, prefix="p%")) == []


def test_whoever_was_erased_since_is_in_no_list(everybody: Newsroom) -> None:
    run = ran(everybody.campaign())
    Contact.objects.filter(address="p5@people.example").delete()

    assert addresses(page(run, prefix="p5")) == []


def test_page_costs_three_statements(
    everybody: Newsroom, count_statements: Callable[[Callable[[], object]], int]
) -> None:
    run = ran(everybody.campaign())

    assert count_statements(lambda: page(run, size=5)) == 3
    assert count_statements(lambda: page(run, size=500)) == 3


def test_csv_holds_everybody_and_no_formula(
    newsroom: Newsroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dry_run_rows, "CSV_ROWS", 2)
    newsroom.add_people(4)
    newsroom.suppress(2)
    newsroom.add_person("+eve", first_name="=cmd()", last_name="@x")
    run = ran(newsroom.campaign())

    lines = list(csv.reader("".join(dry_run_rows.csv_lines(run)).splitlines()))

    assert lines[0] == list(dry_run_rows.CSV_COLUMNS)
    assert lines[1] == ["'+eve@people.example", "'=cmd()", "'@x", "yes", "", ""]
    assert lines[3] == [
        "p2@people.example", "P2", "", "no", "hard_bounce", "the address does not exist",
    ]  # fmt: skip
    assert len(lines) == 6


def test_states_and_ends_agree(newsroom: Newsroom) -> None:
    run = ran(newsroom.campaign())

    with pytest.raises(IntegrityError, match="dry_run_finished"), transaction.atomic():
        DryRun.objects.filter(pk=run.pk).update(finished_at=None)
