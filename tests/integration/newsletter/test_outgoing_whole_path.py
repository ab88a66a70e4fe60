"""One digest and one sequence through a whole station; the provider's log is the judge."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.stations import CAMPAIGN_PROGRAMS, QUICK, SendingStation

if TYPE_CHECKING:
    from collections.abc import Iterator

PEOPLE = 230


@pytest.fixture(scope="module")
def station() -> Iterator[SendingStation]:
    with SendingStation("test", environment=QUICK, sandbox={"latency_ms": 10}) as running:
        running.start(*CAMPAIGN_PROGRAMS, "worker-maintenance")
        running.add_contacts(PEOPLE)
        yield running


def received(station: SendingStation, subject: str) -> Counter[str]:
    return Counter(one.to[0] for one in station.sandbox.accepted() if one.subject == subject)


@pytest.mark.timeout(300)
def test_digest_reaches_everybody_once_in_batches(station: SendingStation) -> None:
    digest = station.desk.call("tests.newsletter_work:start_digest", sender=station.sender_id)

    station.wait_until(
        lambda: bool(_mailing(station, digest)), seconds=90, what="the issue to be composed"
    )
    mailing = _mailing(station, digest)
    station.await_completion(mailing, seconds=90)

    got = received(station, "The week in The Harbour Company")
    assert (len(got), set(got.values())) == (PEOPLE, {1})
    assert station.compare(mailing).agrees
    (counted,) = station.query(
        "SELECT count(*) AS batches FROM mail_batch WHERE mailing_id = %s", [mailing]
    )
    assert counted["batches"] == 3


@pytest.mark.timeout(300)
def test_steps_of_many_people_leave_together_and_once(station: SendingStation) -> None:
    sequence = station.desk.call("tests.newsletter_work:start_sequence", sender=station.sender_id)
    for position in (2, 3):
        station.wait_until(
            lambda at=position: _positions(station, sequence) == {at: PEOPLE},  # type: ignore[misc]
            seconds=90,
            what=f"everybody to wait at {position}",
        )
        # Twice at once: what is due is due once.
        station.desk.call("tests.newsletter_work:advance")
        station.desk.call("tests.newsletter_work:advance")

    for step in (1, 2):
        station.wait_until(
            lambda at=step: len(received(station, f"Step {at}")) == PEOPLE,  # type: ignore[misc]
            seconds=90,
            what=f"step {step} to be accepted",
        )
        assert set(received(station, f"Step {step}").values()) == {1}
    assert not received(station, "Step 3")


def _mailing(station: SendingStation, digest: int) -> int:
    rows = station.query(
        "SELECT mailing_id FROM newsletter_digestissue"
        " WHERE digest_id = %s AND mailing_id IS NOT NULL",
        [digest],
    )
    return int(rows[0]["mailing_id"]) if rows else 0


def _positions(station: SendingStation, sequence: int) -> dict[int, int]:
    found: dict[int, int] = station.desk.call("tests.newsletter_work:positions", sequence=sequence)
    return found
