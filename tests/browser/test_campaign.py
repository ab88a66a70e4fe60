"""A campaign from draft to result, as an operator does it."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import PEOPLE, UNSUBSCRIBED

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.browser.operators_desk import OperatorsDesk
    from tests.stations import SendingStation

pytestmark = pytest.mark.timeout(600)
MAILED = PEOPLE - UNSUBSCRIBED
_MINUTES_MS = 180_000


def draft(desk: OperatorsDesk, name: str) -> None:
    desk.page.goto("/admin/campaigns/campaign/add/")
    desk.page.get_by_label("Name").fill(name)
    desk.page.get_by_role("button", name="Make the draft").click()
    desk.page.wait_for_url("**/content/")


def write(desk: OperatorsDesk) -> None:
    preview = desk.page.frame_locator("iframe").first
    expect(preview.get_by_role("heading")).to_contain_text("Hello Ada")
    desk.page.get_by_label("Subject", exact=True).fill("News for {{ contact.first_name }}")
    expect(desk.page.get_by_text("News for Ada").first).to_be_visible()
    desk.picture("content")
    desk.page.get_by_role("button", name="Save and go on").click()
    desk.page.wait_for_url("**/audience/")


def choose_everybody(desk: OperatorsDesk) -> None:
    expect(desk.page.locator("#would-get")).to_have_text(f"{MAILED:,}")
    desk.picture("audience")
    desk.page.get_by_role("button", name="Save and go on").click()
    desk.page.wait_for_url("**/check/")


def check_and_try(desk: OperatorsDesk, station: SendingStation) -> None:
    expect(desk.page.get_by_text("Nothing stands against a launch.")).to_be_visible()
    desk.page.get_by_label("To", exact=True).fill("editor@harbour.example")
    desk.page.get_by_role("button", name="Send test mails").click()
    station.wait_until(
        lambda: any("editor@harbour.example" in one.to for one in station.sandbox.accepted()),
        seconds=60,
        what="the test mail at the provider",
    )
    desk.picture("check")


def ask_who_would_get_it(desk: OperatorsDesk) -> None:
    page = desk.page
    page.get_by_role("link", name="Dry run").click()
    page.get_by_role("button", name="Start the dry run").click()
    expect(page.get_by_text(f"of {PEOPLE} people would get it")).to_be_visible()
    assert desk.figure(".desk-big") == MAILED

    page.get_by_label("Reason").select_option("unsubscribed")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("#rows tbody tr")).to_have_count(UNSUBSCRIBED)
    desk.picture("dry-run")

    page.get_by_label("Would this address get it?").fill("person1@people.example")
    page.get_by_role("button", name="Explain").click()
    expect(page.get_by_role("status")).to_contain_text("unsubscribed")


def launch(desk: OperatorsDesk) -> None:
    page = desk.page
    page.get_by_role("link", name="Launch").click()
    expect(page.locator("#would-get")).to_have_text(f"{MAILED:,}")
    page.get_by_label("Type the number of people").fill(str(MAILED // 2))
    page.get_by_role("button", name="Launch", exact=True).click()
    expect(page.get_by_role("alert").first).to_be_visible()
    desk.picture("launch-refused")

    page.get_by_label("Type the number of people").fill(str(MAILED))
    page.get_by_role("button", name="Launch", exact=True).click()
    page.wait_for_url("**/watch/")


def pause_resume_and_await(desk: OperatorsDesk) -> None:
    page = desk.page
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("button", name="Resume")).to_be_visible()
    desk.picture("paused")
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_text("completed").first).to_be_visible(timeout=_MINUTES_MS)
    desk.picture("result")


def export(desk: OperatorsDesk) -> list[dict[str, str]]:
    with desk.page.expect_download() as downloading:
        desk.page.get_by_role("link", name="Export as CSV").click()
    with downloading.value.path().open(newline="") as file:
        return list(csv.DictReader(file))


def test_operator_takes_a_campaign_from_draft_to_result(
    open_desk: Callable[..., OperatorsDesk], station: SendingStation
) -> None:
    desk = open_desk("anna")
    desk.picture("home")

    draft(desk, "Autumn news")
    write(desk)
    choose_everybody(desk)
    check_and_try(desk, station)
    ask_who_would_get_it(desk)
    launch(desk)
    pause_resume_and_await(desk)

    accepted = [to for one in station.sandbox.accepted() for to in one.to]
    assert len([to for to in accepted if to.endswith("@people.example")]) == MAILED
    assert len(set(accepted)) == len(accepted)
    assert len(export(desk)) == PEOPLE
    desk.page.get_by_role("link", name="Recipients").click()
    desk.page.wait_for_load_state()
    desk.picture("recipients")
    desk.page.goto("/admin/")
    expect(desk.page.get_by_text("Autumn news").first).to_be_visible()
    desk.picture("home-after")


def test_who_may_only_look_launches_nothing(open_desk: Callable[..., OperatorsDesk]) -> None:
    anna = open_desk("anna")
    draft(anna, "Only to be looked at")
    campaign = anna.page.url.removesuffix("content/")

    ben = open_desk("ben")
    ben.page.goto(f"{campaign}launch/")

    expect(ben.page.get_by_role("button", name="Launch", exact=True)).to_have_count(0)
    expect(ben.page.get_by_text("You need the right")).to_be_visible()
    ben.picture("launch-without-the-right")
