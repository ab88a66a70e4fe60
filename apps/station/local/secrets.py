"""The generated secrets of an instance. None is ever fixed; a lasting instance keeps its own."""

from __future__ import annotations

import base64
import json
import secrets
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING

from apps.station.local.errors import StationError
from apps.station.local.programs import write_private

if TYPE_CHECKING:
    from pathlib import Path

_KEY_BYTES = 32


def _word() -> str:
    return secrets.token_urlsafe(24)


def _django_key() -> str:
    return secrets.token_urlsafe(50)


def _versioned_key() -> str:
    """The first version of a key that rotates: `1:` and 32 random bytes in base64."""
    return f"1:{base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode()}"


def _resend_key() -> str:
    return f"re_{secrets.token_urlsafe(24)}"


def _webhook_secret() -> str:
    return f"whsec_{base64.b64encode(secrets.token_bytes(24)).decode()}"


@dataclass(frozen=True, slots=True, repr=False)
class Secrets:
    """Passwords and keys of one instance, in the form in which they are handed out."""

    postgres_superuser: str = field(default_factory=_word)
    postgres: str = field(default_factory=_word)
    valkey: str = field(default_factory=_word)
    django: str = field(default_factory=_django_key)
    secrets_keys: str = field(default_factory=_versioned_key)
    link_keys: str = field(default_factory=_versioned_key)
    erasure_keys: str = field(default_factory=_versioned_key)
    admin_password: str = field(default_factory=_word)
    flower_password: str = field(default_factory=_word)
    sandbox_key: str = field(default_factory=_resend_key)
    sandbox_webhook_secret: str = field(default_factory=_webhook_secret)
    lime_sandbox_key: str = field(default_factory=_word)


def kept_secrets(path: Path) -> Secrets:
    """The secrets kept in `path` (mode 0600), completed and made where they are missing.

    Raises StationError for a file that cannot be read: making new keys then would lock the
    station out of everything that it encrypted with the old ones.
    """
    known = {one.name for one in fields(Secrets)}
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        made = Secrets(**{name: str(stored[name]) for name in known & stored.keys()})
    except FileNotFoundError:
        made = Secrets()
    except (OSError, ValueError, AttributeError) as error:
        raise StationError(
            f"the secrets in {path} cannot be read ({error}); restore the file from a backup: "
            f"without its keys the stored provider keys cannot be decrypted"
        ) from error
    write_private(path, json.dumps(asdict(made), indent=1) + "\n")
    return made
