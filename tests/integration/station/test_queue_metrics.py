"""What Prometheus is told, by and about several processes."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from django.conf import settings as django_settings
from django.db import Error

from apps.queues import figures
from apps.queues.health import backlogs
from apps.queues.health.reading import read_health
from apps.queues.names import Queue
from apps.station import views
from apps.station.queues_desk import exporting

if TYPE_CHECKING:
    from django.test import Client
    from pytest_django.fixtures import Settings

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "_queues", exporting.QueueCollector())


def value_of(text: str, sample: str) -> float | None:
    found = re.search(rf"^{re.escape(sample)} (\S+)$", text, re.MULTILINE)
    return float(found[1]) if found else None


def scrape(client: Client, **headers: str) -> str:
    answer = client.get("/metrics", headers=headers)
    assert answer.status_code == 200
    return answer.content.decode()


COUNT_ELSEWHERE = """
import django; django.setup()
from apps.queues import figures
figures.TASKS.labels("control", "tests.counted", "done").inc(5)
figures.note_segment_call(
    operation="add", rate_limit_bucket="account:1", queue="segments", throttled=True)
"""


def test_counts_of_several_processes_add_up(client: Client) -> None:
    sample = 'flux_tasks_total{outcome="done",queue_name="control",task="tests.counted"}'
    before = value_of(scrape(client), sample) or 0.0

    figures.TASKS.labels("control", "tests.counted", "done").inc(2)
    for _ in range(2):
        subprocess.run([sys.executable, "-c", COUNT_ELSEWHERE], check=True)  # noqa: S603 - our own text

    text = scrape(client)
    assert value_of(text, sample) == before + 12
    assert 'resend_segment_api_throttled_total{operation="add",' in text


def test_gauges_of_queues_are_told(client: Client) -> None:
    text = scrape(client)

    assert value_of(text, 'flux_queue_length{queue_name="batch-email"}') == 0
    assert value_of(text, 'flux_queue_unknown{queue_name="batch-email"}') == 0
    assert value_of(text, "segment_queue_depth") == 0
    assert value_of(text, "flux_alerts_open") == 0


def test_unknown_length_is_left_out_and_told(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> backlogs.Backlog:
        raise Error

    monkeypatch.setitem(backlogs._sources, Queue.EVENTS, {"events": fail})

    text = scrape(client)

    assert value_of(text, 'flux_queue_length{queue_name="events"}') is None
    assert value_of(text, 'flux_queue_unknown{queue_name="events"}') == 1


def test_several_scrapes_cost_one_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []

    def count() -> Any:
        read.append(1)
        return read_health()

    collector = exporting.QueueCollector(count)
    list(collector.collect())
    list(collector.collect())

    assert len(read) == 1


def test_metrics_are_for_this_machine_alone_without_a_token(client: Client) -> None:
    assert client.get("/metrics").status_code == 200
    assert client.get("/metrics", REMOTE_ADDR="203.0.113.5").status_code == 403
    assert client.get("/metrics", headers={"x-forwarded-for": "203.0.113.5"}).status_code == 403


def test_metrics_want_the_token_where_one_is_set(client: Client, settings: Settings) -> None:
    settings.METRICS_TOKEN = "scrape-me"

    assert client.get("/metrics").status_code == 403
    assert client.get("/metrics", headers={"authorization": "Bearer wrong"}).status_code == 403
    answer = client.get(
        "/metrics", headers={"authorization": "Bearer scrape-me"}, REMOTE_ADDR="203.0.113.5"
    )
    assert answer.status_code == 200


def test_station_is_ready_with_a_migrated_database(client: Client) -> None:
    answer = client.get("/readyz")

    assert (answer.status_code, answer.json()["migrations"], answer.json()["broker"]) == (
        200,
        "ok",
        "ok",
    )


def test_station_is_ready_though_slower_without_the_broker(
    client: Client, settings: Settings
) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"

    answer = client.get("/readyz")

    assert (answer.status_code, answer.json()["broker"]) == (200, "away")


def test_station_is_not_ready_while_migrations_are_missing(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views, "_is_migrated", lambda: False)

    answer = client.get("/readyz")

    assert (answer.status_code, answer.json()["status"]) == (503, "unavailable")


def test_every_metric_is_documented() -> None:
    text = (django_settings.BASE_DIR / "docs" / "metrics.md").read_text()
    told = {family.name for family in exporting.QueueCollector().collect()}
    sources = ("figures.py", "metrics.py")
    for name in sources:
        source = (django_settings.BASE_DIR / "apps" / "queues" / name).read_text()
        told |= set(re.findall(r'^    "((?:flux|resend)_\w+)",$', source, re.MULTILINE))

    assert len(told) > 25
    assert [name for name in sorted(told) if f"`{name}`" not in text] == []
