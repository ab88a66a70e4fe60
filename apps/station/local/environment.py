"""The environment that the station's programs and Django's settings are started with."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from apps.station.local.ports import LOOPBACK

if TYPE_CHECKING:
    from apps.station.local.secrets import Secrets

# What would lead a throwaway station to somebody else's servers, accounts or settings. libpq reads
# PG*, the SDK RESEND_*, Celery CELERY_*, and errors would be reported to a real SENTRY_DSN.
_FOREIGN_NAMES = frozenset(
    {"DATABASE_URL", "REDIS_URL", "PUBLIC_BASE_URL", "PORT", "NOTIFY_SOCKET"}
)
_FOREIGN_PREFIXES = (
    "FLUX_",
    "DJANGO_",
    "PG",
    "RESEND_",
    "LIME_",
    "CELERY_",
    "SENTRY_",
    "GUNICORN_",
)


def inherited() -> dict[str, str]:
    """The environment of this process: the one place of this package that reads it."""
    return dict(os.environ)


def is_foreign(name: str) -> bool:
    """Whether a variable could point a throwaway station at something that is not its own."""
    return name in _FOREIGN_NAMES or name.startswith(_FOREIGN_PREFIXES)


def without_foreign(environment: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if not is_foreign(name)}


def with_our_python(environment: dict[str, str]) -> dict[str, str]:
    """`python`, `celery` and `gunicorn` of a command are those of this virtual environment."""
    ours = str(Path(sys.executable).parent)
    path = f"{ours}{os.pathsep}{environment.get('PATH', os.defpath)}"
    # Unbuffered: a program's last words must be in its log when it is killed.
    return {**environment, "PATH": path, "PYTHONUNBUFFERED": "1"}


def django_environment(
    *, kind: str, secrets: Secrets, folder: Path, web_port: int
) -> dict[str, str]:
    """What Django needs beside the servers' addresses; `kind` is FLUX_ENVIRONMENT."""
    return {
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "DJANGO_SECRET_KEY": secrets.django,
        "DJANGO_DEBUG": "false",
        "DJANGO_ALLOWED_HOSTS": f"{LOOPBACK},localhost",
        "FLUX_SECRETS_KEYS": secrets.secrets_keys,
        "FLUX_LINK_KEYS": secrets.link_keys,
        "FLUX_ERASURE_KEYS": secrets.erasure_keys,
        "FLUX_ENVIRONMENT": kind,
        "FLUX_VAR_DIR": str(folder),
        "PUBLIC_BASE_URL": f"http://{LOOPBACK}:{web_port}",
        "PORT": str(web_port),
    }
