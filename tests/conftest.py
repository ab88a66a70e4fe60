"""What holds for every test."""

from __future__ import annotations

import pytest

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
    """Marks what runs alone, and puts last what must not come before others (`tests.__main__`).

    Tests that commit empty every table behind them, rows that migrations made included: in a
    process that has run one of them, only such follow. Stations, which take long, come with them.
    """
    late = []
    for item in items:
        file = item.nodeid.partition("::")[0]
        is_late = _commits(item) or item.get_closest_marker("slow") is not None
        if item.nodeid.startswith(PACED):
            item.add_marker("alone")
        else:
            item.add_marker(pytest.mark.xdist_group(f"{file}, late" if is_late else file))
        late.append(is_late)
    items[:] = [one for _, one in sorted(zip(late, items, strict=True), key=lambda two: two[0])]


def _commits(item: pytest.Item) -> bool:
    marker = item.get_closest_marker("django_db")
    if marker is not None and (marker.kwargs.get("transaction") or marker.args[:1] == (True,)):
        return True
    return not COMMITTING_FIXTURES.isdisjoint(getattr(item, "fixturenames", ()))


def pytest_configure(config: pytest.Config) -> None:
    insist_on_own_servers(config)
