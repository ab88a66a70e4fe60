"""What holds for every test."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.servers import insist_on_own_servers

if TYPE_CHECKING:
    import pytest


COMMITTING_FIXTURES = frozenset(
    {"transactional_db", "live_server", "django_db_serialized_rollback"}
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks what commits to the database: see `tests.__main__`."""
    for item in items:
        if _commits(item):
            item.add_marker("commits")


def _commits(item: pytest.Item) -> bool:
    marker = item.get_closest_marker("django_db")
    if marker is not None and (marker.kwargs.get("transaction") or marker.args[:1] == (True,)):
        return True
    return not COMMITTING_FIXTURES.isdisjoint(getattr(item, "fixturenames", ()))


def pytest_configure(config: pytest.Config) -> None:
    insist_on_own_servers(config)
