"""What holds for every test."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.servers import insist_on_own_servers

if TYPE_CHECKING:
    import pytest


COMMITTING_FIXTURES = frozenset(
    {"transactional_db", "live_server", "django_db_serialized_rollback"}
)


# They keep a pace by the clock, or start stations and servers.
ALONE = (
    "tests/faults/",
    "tests/integration/mail/test_resend_paced.py",
    "tests/integration/mail/test_storms.py",
    "tests/integration/queues/",
    "tests/integration/sandbox/",
    "tests/integration/station/",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks what must not run side by side with others: see `tests.__main__`."""
    for item in items:
        if item.nodeid.startswith(ALONE) or item.get_closest_marker("slow") or _commits(item):
            item.add_marker("alone")


def _commits(item: pytest.Item) -> bool:
    marker = item.get_closest_marker("django_db")
    if marker is not None and (marker.kwargs.get("transaction") or marker.args[:1] == (True,)):
        return True
    return not COMMITTING_FIXTURES.isdisjoint(getattr(item, "fixturenames", ()))


def pytest_configure(config: pytest.Config) -> None:
    insist_on_own_servers(config)
