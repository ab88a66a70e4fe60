"""From launch to delivery with real workers, a real web server and the stand-in provider."""

from __future__ import annotations

import itertools
import json
import re
import time
from collections import Counter
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from tests.stations import CAMPAIGN_PROGRAMS, WEBHOOK_PROGRAMS, SendingStation

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

PEOPLE = 500
BOUNCING = 10
DELIVERED, BOUNCED = 30, 40
# Leases that a busy machine does not outlive; everything else quick.
ENVIRONMENT = {
    "FLUX_BATCH_LEASE_SECONDS": "20",
    "FLUX_PROVIDER_TOTAL_SECONDS": "12",
    "FLUX_RETRY_BASE_SECONDS": "0.1",
    "FLUX_RETRY_CAP_SECONDS": "1",
    "FLUX_SWEEP_SECONDS": "0.2",
}
# So slow that two workers make some three calls a second: time to step in.
SLOW_MS = 600
SECONDS = 180.0
_groups = itertools.count(1)


@pytest.fixture(scope="module")
def station() -> Iterator[SendingStation]:
    with SendingStation(
        "test", environment=ENVIRONMENT, sandbox={"rate_limit": 0, "latency_ms": 20}, webhooks=True
    ) as running:
        running.start(*CAMPAIGN_PROGRAMS, *WEBHOOK_PROGRAMS, concurrency={"worker-batch-email": 2})
        yield running


@pytest.fixture(autouse=True)
def usual_provider(station: SendingStation) -> None:
    station.sandbox.configure(latency_ms=20, daily_quota=None)


def add_people(station: SendingStation, number: int, *, domain: str = "people.example") -> str:
    """A group of people of its own for each test; returns its name."""
    group = f"group{next(_groups)}-"
    station.add_contacts(number, prefix=group, domain=domain, traits={"group": group})
    return group


def launch(station: SendingStation, *groups: str) -> int:
    audience = {"traits": [{"trait": "group", "in": list(groups)}]}
    campaign = station.create_campaign(name=f"News for {groups[0]}", audience=audience)
    return station.launch(campaign)


def calls_since(station: SendingStation, moment: float) -> int:
    return sum(
        one.path == "/emails/batch" and one.t >= moment for one in station.sandbox.requests()
    )


def recipients(station: SendingStation, mailing: int) -> Counter[str]:
    """How often each address is in the provider's log for this mailing."""
    return Counter(
        address
        for message in station.sandbox.accepted()
        if message.tags["mailing"] == str(mailing)
        for address in message.to
    )


def await_accepted(station: SendingStation, mailing: int, at_least: int) -> None:
    station.wait_until(
        lambda: recipients(station, mailing).total() >= at_least,
        seconds=SECONDS,
        what=f"{at_least} mails of mailing {mailing} to be accepted",
    )


def assert_agrees(station: SendingStation, mailing: int) -> None:
    comparison = station.compare(mailing)
    assert comparison.agrees, comparison
    assert set(recipients(station, mailing).values()) <= {1}


def test_everybody_gets_one_mail_and_its_fate_is_known(station: SendingStation) -> None:
    reached = add_people(station, PEOPLE - BOUNCING)
    bouncing = add_people(station, BOUNCING, domain="bounce.test")

    mailing = launch(station, reached, bouncing)
    station.await_completion(mailing, seconds=SECONDS)

    assert station.counts(mailing) == {("sent", ""): PEOPLE}
    assert_agrees(station, mailing)
    wanted = {DELIVERED: PEOPLE - BOUNCING, BOUNCED: BOUNCING}
    station.wait_until(
        lambda: deliveries(station, mailing) == wanted, seconds=SECONDS, what="all deliveries"
    )
    assert suppressed(station, bouncing) == BOUNCING
    assert suppressed(station, reached) == 0


def deliveries(station: SendingStation, mailing: int) -> dict[int, int]:
    rows = station.query(
        "SELECT delivery, count(*) AS number FROM mail_message WHERE mailing_id = %s"
        " GROUP BY delivery",
        [mailing],
    )
    return {row["delivery"]: row["number"] for row in rows}


def suppressed(station: SendingStation, group: str) -> int:
    rows = station.query(
        "SELECT 1 FROM contacts_suppression"
        " WHERE starts_with(address, %s) AND reason = 'hard_bounce' AND lifted_at IS NULL",
        [group],
    )
    return len(rows)


def test_one_bad_address_fails_alone_and_is_retried_alone(station: SendingStation) -> None:
    group = add_people(station, 100)
    bad, good = f"{group}..7@people.example", f"{group}7@people.example"
    move_contact(station, good, bad)

    mailing = launch(station, group)
    station.await_completion(mailing, seconds=SECONDS)
    assert station.counts(mailing) == {("sent", ""): 99, ("failed", "refused"): 1}

    move_contact(station, bad, good)
    retried = station.desk.call(
        "apps.mail.regrouping:retry_failed", mailing_id=mailing, reasons=["refused"]
    )
    station.await_completion(mailing, seconds=SECONDS)
    assert retried == 1
    assert station.counts(mailing) == {("sent", ""): 100}
    assert recipients(station, mailing)[good] == 1
    assert_agrees(station, mailing)


def move_contact(station: SendingStation, old: str, new: str) -> None:
    station.execute(
        "UPDATE contacts_contact SET address = %(new)s, email = %(new)s WHERE address = %(old)s",
        {"old": old, "new": new},
    )


def test_pause_stops_calls_within_a_second_and_who_leaves_meanwhile_gets_nothing(
    station: SendingStation,
) -> None:
    group = add_people(station, PEOPLE)
    first = launch(station, group)
    station.await_completion(first, seconds=SECONDS)
    station.sandbox.configure(latency_ms=SLOW_MS)
    second = launch(station, group)
    await_accepted(station, second, 100)

    station.pause(second)
    paused_at = time.time()
    time.sleep(2.5)
    pending = station.counts(second).get(("pending", ""), 0)
    assert calls_since(station, paused_at + 1) == 0
    assert pending > 0

    leaver = max(set(recipients(station, first)) - set(recipients(station, second)))
    assert station.post(leaving_path(station, first, leaver), "List-Unsubscribe=One-Click") == 200
    station.sandbox.configure(latency_ms=20)
    station.resume(second)
    station.await_completion(second, seconds=SECONDS)
    counts = station.counts(second)
    assert counts == {("sent", ""): PEOPLE - 1, ("skipped", "unsubscribed"): 1}
    assert leaver not in recipients(station, second)
    assert_agrees(station, second)


def leaving_path(station: SendingStation, mailing: int, address: str) -> str:
    """The path of the unsubscribe link that travelled in somebody's mail."""
    header = next(
        message.list_unsubscribe
        for message in station.sandbox.accepted()
        if message.tags["mailing"] == str(mailing) and message.to == (address,)
    )
    return urlsplit((header or "").strip("<>")).path


def test_cancel_stops_calls_within_a_second_and_the_rest_is_skipped(
    station: SendingStation,
) -> None:
    group = add_people(station, PEOPLE)
    station.sandbox.configure(latency_ms=SLOW_MS)
    mailing = launch(station, group)
    await_accepted(station, mailing, 100)

    station.cancel(mailing)
    cancelled_at = time.time()
    time.sleep(2.5)
    assert calls_since(station, cancelled_at + 1) == 0
    station.wait_until(
        lambda: ("pending", "") not in station.counts(mailing), seconds=SECONDS, what="the end"
    )

    counts = station.counts(mailing)
    assert counts.keys() == {("sent", ""), ("skipped", "cancelled")}
    assert sum(counts.values()) == PEOPLE
    assert_agrees(station, mailing)


def test_quota_pauses_the_mailing_and_says_so_and_resuming_finishes_it(
    station: SendingStation,
) -> None:
    group = add_people(station, PEOPLE)
    station.sandbox.configure(daily_quota=station.sandbox.stats().accepted + 200)

    mailing = launch(station, group)
    station.await_state(mailing, "paused", seconds=SECONDS)
    (row,) = station.query("SELECT state_reason FROM mail_mailing WHERE id = %s", [mailing])
    assert "quota" in row["state_reason"]
    assert station.counts(mailing)["pending", ""] >= 200

    station.sandbox.configure(daily_quota=None)
    station.wait_until(
        lambda: resumed_to_the_end(station, mailing), seconds=SECONDS, what="the end of the mailing"
    )
    assert station.counts(mailing) == {("sent", ""): PEOPLE}
    assert_agrees(station, mailing)


def resumed_to_the_end(station: SendingStation, mailing: int) -> bool:
    """Resume whenever it is paused: a call from before may be refused, and pause it, once more."""
    state = station.mailing_state(mailing)
    if state == "paused":
        station.resume(mailing)
    return state == "completed"


def test_logs_are_json_and_hold_nobodys_address_or_key(station: SendingStation) -> None:
    """Of everything the tests above did: sending, bouncing, leaving, retrying."""
    group = add_people(station, 20)
    mailing = launch(station, group)
    station.await_completion(mailing, seconds=SECONDS)
    secrets = station.station.secrets

    lines = [
        line
        for program in (*CAMPAIGN_PROGRAMS, *WEBHOOK_PROGRAMS)
        for line in station.log(program).splitlines()
    ]

    structured = [json.loads(line) for line in lines if line.startswith("{")]
    assert len(structured) > 100
    assert {"event", "level", "timestamp"} <= set.intersection(*map(set, structured))
    told = "\n".join(lines)
    assert not re.findall(r"[\w.+-]+(?:@|%40)(?:people|harbour)\.example", told)
    for secret in (secrets.sandbox_key, secrets.sandbox_webhook_secret, secrets.django):
        assert secret not in told


def test_one_correlation_id_goes_from_the_launch_to_the_providers_call(
    station: SendingStation,
) -> None:
    group = add_people(station, 20)
    mailing = launch(station, group)
    station.await_completion(mailing, seconds=SECONDS)
    (row,) = station.query("SELECT correlation_id FROM mail_mailing WHERE id = %s", [mailing])
    wanted = row["correlation_id"]

    def events(program: str) -> set[str]:
        lines = station.log(program).splitlines()
        parsed = [json.loads(line) for line in lines if line.startswith("{")]
        return {one["event"] for one in parsed if one.get("correlation_id") == wanted}

    assert len(wanted) >= 8
    assert "audience_planned" in events("worker-audience")
    assert "batch_settled" in events("worker-batch-email")
