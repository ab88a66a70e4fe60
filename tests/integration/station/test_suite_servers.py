"""The suite can only ever see its own servers."""

from __future__ import annotations

import os
import subprocess
import sys

from django.conf import settings
from django.db import connection

from apps.station.local.instance import PROJECT
from tests.servers import running_station

FOREIGN = {"DATABASE_URL": "postgresql://db.example.com/production", "PGHOST": "db.example.com"}


def test_settings_are_those_of_the_run_s_own_station() -> None:
    environment = running_station().environment

    assert environment["DATABASE_URL"] == settings.DATABASE_URL
    assert environment["REDIS_URL"] == settings.REDIS_URL
    assert settings.ENVIRONMENT == "test"
    assert "PGHOST" not in os.environ


def test_servers_of_the_suite_do_not_wait_for_the_disk(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SHOW fsync")
        assert cursor.fetchone() == ("off",)


def test_run_without_the_servers_plugin_is_refused() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:tests.servers", "tests/unit/station"],
        cwd=PROJECT,
        env={**os.environ, **FOREIGN},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 4
    assert "servers of their own only" in done.stderr
