"""What holds for every test."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.servers import insist_on_own_servers

if TYPE_CHECKING:
    import pytest


def pytest_configure(config: pytest.Config) -> None:
    insist_on_own_servers(config)
