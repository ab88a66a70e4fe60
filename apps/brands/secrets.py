"""Provider keys at rest: encrypted with a versioned key from the environment."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings
from django.db import models

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper


class UnreadableSecretError(Exception):
    """A stored secret cannot be read with the keys of FLUX_SECRETS_KEYS.

    Put the version it was written with back into that variable.
    """


def encrypt(text: str) -> str:
    """`version:token` under the newest key."""
    version = max(settings.SECRETS_KEYS)
    return f"{version}:{_cipher(version).encrypt(text.encode()).decode()}"


def decrypt(stored: str) -> str:
    version, _, token = stored.partition(":")
    try:
        return _cipher(int(version)).decrypt(token.encode()).decode()
    except (KeyError, ValueError, InvalidToken):
        raise UnreadableSecretError(
            f"A secret was written with key version {version}, which cannot read it: "
            f"FLUX_SECRETS_KEYS holds the versions {sorted(settings.SECRETS_KEYS)}."
        ) from None


def _cipher(version: int) -> Fernet:
    return Fernet(base64.urlsafe_b64encode(settings.SECRETS_KEYS[version]))


class EncryptedTextField(models.TextField):  # type: ignore[type-arg]  # not generic at run time
    """A text that is encrypted in the database and plain in Python. Cannot be searched."""

    def get_prep_value(self, value: Any) -> Any:
        plain = super().get_prep_value(value)
        return encrypt(plain) if plain else plain

    def from_db_value(
        self, value: str | None, _expression: Any, _connection: BaseDatabaseWrapper
    ) -> str | None:
        return decrypt(value) if value else value
