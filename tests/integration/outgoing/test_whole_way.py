"""From a row to another system's door, with real workers that are killed on the way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.outgoing.receiver import Answer, Receiver
from tests.stations import SendingStation

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

PEOPLE = 120
PROGRAMS = ("sweeper", "worker-events", "worker-webhooks")
ENVIRONMENT = {
    "FLUX_SWEEP_SECONDS": "0.2",
    "FLUX_WEBHOOK_TOTAL_SECONDS": "2",
    "FLUX_WEBHOOK_LEASE_SECONDS": "6",
}
SECONDS = 240.0

_LEAVE = """
INSERT INTO contacts_consentrecord (contact_id, kind, source)
SELECT id, 'unsubscribed', 'link' FROM contacts_contact
 WHERE id NOT IN (SELECT contact_id FROM contacts_consentrecord) ORDER BY id LIMIT %s
"""


@pytest.fixture
def station() -> Iterator[SendingStation]:
    with SendingStation("test", environment=ENVIRONMENT) as running:
        one_each = {"worker-events": 1, "worker-webhooks": 1}
        running.start(*PROGRAMS, concurrency=one_each)
        yield running


def test_everybody_who_left_is_told_though_workers_are_killed(station: SendingStation) -> None:
    with Receiver() as receiver:
        receiver.otherwise = Answer(204, seconds=0.1)
        secret = station.desk.call(
            "tests.integration.outgoing.desk_work:add_endpoint",
            brand_id=station.brand_id,
            url=receiver.url,
        )["secret"]
        station.add_contacts(PEOPLE)
        for round_ in (1, 2):
            station.execute(_LEAVE, [PEOPLE // 2])
            station.wait_until(
                lambda round_=round_: len(receiver.hooks) > 20 * round_,  # type: ignore[misc]
                seconds=SECONDS,
                what="webhooks to arrive",
            )
            station.station.kill_group("worker-webhooks")
            station.station.kill_group("worker-events")

        station.wait_until(
            lambda: (
                station.query(
                    "SELECT count(*) AS n FROM station_webhookdelivery WHERE state = 'delivered'"
                )[0]["n"]
                == PEOPLE
            ),
            seconds=SECONDS,
            what="everybody to be told of",
        )
        recorded = station.query(
            "SELECT 'evt_' || replace(uid::text, '-', '') AS id, contact_id"
            "  FROM station_webhookevent"
        )

    for hook in receiver.hooks:
        hook.verify(secret)
    assert {hook.id for hook in receiver.hooks} == {row["id"] for row in recorded}
    assert len({row["contact_id"] for row in recorded}) == len(recorded) == PEOPLE
