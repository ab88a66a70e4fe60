"""API keys: made, rotated, revoked."""

from __future__ import annotations

import io
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from apps.brands import keys
from apps.brands.errors import ApiKeyLimitError, ApiKeyStateError, InvalidBrandError
from apps.brands.models import ApiKey, AuditEntry, Brand, Scope
from tests.factories.brands import BrandFactory

pytestmark = pytest.mark.django_db

READ = [Scope.CONTACTS_READ]


@pytest.fixture
def brand() -> Brand:
    return BrandFactory.create(slug="acme")


def test_token_is_recognised_and_nowhere_kept(brand: Brand) -> None:
    issued = keys.issue(brand=brand, name="shop", scopes=READ, by="anna")

    found = keys.recognise(issued.token)

    assert found == issued.key
    assert found.brand == brand
    secret = issued.token.partition("_")[2]
    kept = str(ApiKey.objects.values().get()) + str(list(AuditEntry.objects.values()))
    assert secret not in kept


def test_third_key_of_a_name_is_refused(brand: Brand) -> None:
    first = keys.issue(brand=brand, name="shop", scopes=READ, by="anna")
    keys.issue(brand=brand, name="shop", scopes=READ, by="anna")

    with pytest.raises(ApiKeyLimitError, match="valid already"):
        keys.issue(brand=brand, name="shop", scopes=READ, by="anna")
    keys.revoke(key_id=first.key.pk)

    assert keys.issue(brand=brand, name="shop", scopes=READ, by="anna").key.pk


def test_rotated_key_ends_after_its_grace(brand: Brand) -> None:
    old = keys.issue(brand=brand, name="shop", scopes=READ, by="anna")

    new = keys.rotate(key_id=old.key.pk, by="otto", grace=timedelta(hours=1))

    assert (new.key.name, new.key.scopes, new.key.created_by) == ("shop", READ, "otto")
    assert keys.recognise(old.token) is not None
    old.key.refresh_from_db()
    assert old.key.expires_at is not None
    assert old.key.expires_at <= timezone.now() + timedelta(hours=1)


def test_rotation_never_lengthens_a_life(brand: Brand) -> None:
    ends = timezone.now() + timedelta(minutes=5)
    old = keys.issue(brand=brand, name="shop", scopes=READ, by="anna", expires_at=ends)

    new = keys.rotate(key_id=old.key.pk, by="anna")

    old.key.refresh_from_db()
    assert old.key.expires_at == new.key.expires_at == ends


def test_ended_key_is_neither_rotated_nor_revoked_again(brand: Brand) -> None:
    issued = keys.issue(brand=brand, name="shop", scopes=READ, by="anna")
    keys.revoke(key_id=issued.key.pk)

    with pytest.raises(ApiKeyStateError):
        keys.rotate(key_id=issued.key.pk, by="anna")
    with pytest.raises(ApiKeyStateError):
        keys.revoke(key_id=issued.key.pk)


@pytest.mark.parametrize("scopes", [[], ["contacts:fly"]])
def test_unknown_scopes_are_refused_with_those_there_are(brand: Brand, scopes: list[str]) -> None:
    with pytest.raises(InvalidBrandError, match=r"scopes: .*contacts:read"):
        keys.issue(brand=brand, name="shop", scopes=scopes, by="anna")


def test_expiry_in_the_past_is_refused(brand: Brand) -> None:
    with pytest.raises(InvalidBrandError, match="expires_at"):
        keys.issue(brand=brand, name="shop", scopes=READ, by="anna", expires_at=timezone.now())


class TestCommand:
    def _run(self, *arguments: str) -> str:
        out = io.StringIO()
        call_command("api_key", *arguments, stdout=out, stderr=io.StringIO())
        return out.getvalue()

    def test_created_key_is_printed_alone(self, brand: Brand) -> None:
        token = self._run("create", "shop", "--brand", "acme", "--scope", "contacts:read").strip()

        found = keys.recognise(token)

        assert found is not None
        assert found.brand == brand

    def test_key_is_rotated_listed_and_revoked(self, brand: Brand) -> None:
        issued = keys.issue(brand=brand, name="shop", scopes=READ, by="anna")

        successor = self._run("rotate", issued.key.prefix, "--grace-days", "1").strip()
        self._run("revoke", issued.key.prefix)

        assert keys.recognise(successor) is not None
        assert keys.recognise(issued.token) is None
        listing = self._run("list", "--brand", "acme")
        assert issued.key.prefix in listing
        assert issued.token not in listing

    def test_unknown_prefix_and_brand_are_told(self, brand: Brand) -> None:
        with pytest.raises(CommandError, match="no key"):
            self._run("revoke", "fsnothing")
        with pytest.raises(CommandError, match="no brand"):
            self._run("create", "shop", "--brand", "x", "--scope", "contacts:read")
