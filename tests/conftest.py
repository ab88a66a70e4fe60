"""What holds for every test."""

from __future__ import annotations

import os
from typing import Any

import pytest
from redis import Redis

from tests.file_scheduling import FileScheduling
from tests.servers import insist_on_own_servers

COMMITTING_FIXTURES = frozenset(
    {"transactional_db", "live_server", "django_db_serialized_rollback"}
)

# They keep a pace by the clock: what runs beside them would be measured as well.
PACED = (
    "tests/faults/test_short.py::test_campaign_under_fire",
    "tests/faults/test_short.py::test_faults_of_queues",
    "tests/integration/mail/test_resend_paced.py",
    "tests/integration/mail/test_storms.py",
    "tests/integration/queues/test_breaker.py",
    "tests/integration/queues/test_draining.py",
    "tests/integration/queues/test_enqueueing.py",
    "tests/integration/queues/test_holding.py",
    "tests/integration/queues/test_limiter_",
    "tests/integration/queues/test_outbound.py",
    "tests/integration/queues/test_windows.py",
    "tests/integration/sandbox/test_limits.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks what runs alone, and brings the others into an order (`tests.__main__`).

    Stations come first, as they take longest. Tests that commit come last: they empty every table
    behind them, rows that migrations made included, so that in a process that has run one of them
    only such may follow.
    """
    for item in items:
        if item.nodeid.startswith(PACED):
            item.add_marker("alone")
    items.sort(key=_turn)


@pytest.fixture(scope="module", autouse=True)
def _empty_broker() -> None:
    """No file finds what another counted, froze or held: which ran before it is chance."""
    Redis.from_url(os.environ["REDIS_URL"]).flushall()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> FileScheduling:
    return FileScheduling(config, log)


def _turn(item: pytest.Item) -> int:
    if _commits(item):
        return 2
    return 0 if item.get_closest_marker("slow") else 1


def _commits(item: pytest.Item) -> bool:
    marker = item.get_closest_marker("django_db")
    if marker is not None and (marker.kwargs.get("transaction") or marker.args[:1] == (True,)):
        return True
    return not COMMITTING_FIXTURES.isdisjoint(getattr(item, "fixturenames", ()))


def pytest_configure(config: pytest.Config) -> None:
    insist_on_own_servers(config)
