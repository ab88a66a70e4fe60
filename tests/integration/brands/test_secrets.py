from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.db import connection

from apps.brands.models import ProviderAccount
from apps.brands.secrets import UnreadableSecretError, decrypt, encrypt

if TYPE_CHECKING:
    from pytest_django import Settings


@pytest.mark.django_db
def test_provider_key_is_not_readable_in_the_database() -> None:
    account = ProviderAccount.objects.create(name="main", api_key="re_very_secret")

    with connection.cursor() as cursor:
        cursor.execute("SELECT api_key FROM brands_provideraccount")
        stored = cursor.fetchone()[0]

    account.refresh_from_db()
    assert "re_very_secret" not in stored
    assert account.api_key == "re_very_secret"


def test_secret_written_with_an_older_key_is_still_read(settings: Settings) -> None:
    settings.SECRETS_KEYS = {1: b"a" * 32}
    stored = encrypt("re_key")

    settings.SECRETS_KEYS = {1: b"a" * 32, 2: b"b" * 32}

    assert decrypt(stored) == "re_key"
    assert encrypt("re_key").startswith("2:")


@pytest.mark.parametrize("stored", ["3:abc", "nonsense", "1:gAAAA"])
def test_unreadable_secret_names_the_setting_and_not_the_secret(
    settings: Settings, stored: str
) -> None:
    settings.SECRETS_KEYS = {1: b"a" * 32}

    with pytest.raises(UnreadableSecretError) as caught:
        decrypt(stored)

    assert "FLUX_SECRETS_KEYS" in str(caught.value)
    assert "abc" not in str(caught.value)
