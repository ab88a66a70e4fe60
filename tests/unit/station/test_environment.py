from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from apps.station.local.environment import (
    django_environment,
    with_our_python,
    without_foreign,
)
from apps.station.local.secrets import Secrets


@pytest.mark.parametrize(
    "name",
    [
        "DATABASE_URL",
        "REDIS_URL",
        "PUBLIC_BASE_URL",
        "RESEND_API_KEY",
        "RESEND_API_URL",
        "SENTRY_DSN",
        "PGHOST",
        "PGPASSWORD",
        "PGSERVICE",
        "DJANGO_SETTINGS_MODULE",
        "FLUX_SECRETS_KEYS",
        "CELERY_BROKER_URL",
    ],
)
def test_variable_that_leads_elsewhere_is_removed(name: str) -> None:
    assert without_foreign({name: "foreign", "HOME": "/root"}) == {"HOME": "/root"}


def test_commands_are_found_in_our_environment_first() -> None:
    environment = with_our_python({"PATH": "/usr/bin"})

    first, *rest = environment["PATH"].split(os.pathsep)
    assert Path(first) == Path(sys.executable).parent
    assert rest == ["/usr/bin"]


def test_debug_is_never_on(tmp_path: Path) -> None:
    environment = django_environment(kind="demo", secrets=Secrets(), folder=tmp_path, web_port=8123)

    assert environment["DJANGO_DEBUG"] == "false"
    assert environment["FLUX_ENVIRONMENT"] == "demo"
    assert environment["PUBLIC_BASE_URL"] == "http://127.0.0.1:8123"
