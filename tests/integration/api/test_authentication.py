"""Who may call, and what their key allows."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.brands import keys
from apps.brands.models import ApiKey, AuditEntry, Scope
from apps.newsletter.api.public import LinkViewSet
from tests.integration.api.conftest import Caller, House, caller

pytestmark = pytest.mark.django_db


def test_call_without_key_is_told_how_to_send_one() -> None:
    answer = Caller().get("contacts")

    assert (answer.status, answer.body["name"]) == (401, "missing_api_key")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    "token", ["", "x", "fs0123456789_short", f"fs0123456789_{'a' * 40}", "fs0123456789_" + "ä" * 40]
)
def test_unknown_key_is_refused(token: str) -> None:
    answer = Caller().get("contacts", authorization=f"Bearer {token}".strip())

    assert answer.status == 401


def test_secret_of_another_key_is_refused(house: House) -> None:
    first, second = caller(house.brand), caller(house.brand)
    mixed = first.token.partition("_")[0] + "_" + second.token.partition("_")[2]

    assert Caller(mixed).get("brand").body["name"] == "invalid_api_key"


def test_revoked_key_is_refused(shop: Caller) -> None:
    assert shop.key is not None
    keys.revoke(key_id=shop.key.pk)

    assert shop.get("brand").status == 401


def test_expired_key_is_refused(shop: Caller) -> None:
    ApiKey.objects.update(expires_at=timezone.now() - timedelta(seconds=1))

    assert shop.get("brand").status == 401


def test_key_without_the_scope_is_refused_by_its_name(house: House) -> None:
    reader = caller(house.brand, [Scope.CONTACTS_READ])

    answer = reader.post("contacts", {"email": "otto@people.example"})

    assert (answer.status, answer.body["name"]) == (403, "missing_scope")
    assert "contacts:write" in answer.body["message"]
    assert reader.get("contacts").status == 200


def test_path_with_slash_is_the_same(shop: Caller) -> None:
    assert shop.get("brand/").body == shop.get("brand").body
    assert shop.post("topics/", {"slug": "weekly", "name": "Weekly"}).status == 201


def test_use_is_noted_once_a_minute(shop: Caller, django_assert_num_queries: Any) -> None:
    shop.get("brand")
    first = ApiKey.objects.get().last_used_at

    with django_assert_num_queries(1):
        shop.get("brand")

    assert first is not None
    assert ApiKey.objects.get().last_used_at == first


def test_change_is_audited_under_the_keys_name(shop: Caller) -> None:
    shop.post("topics", {"slug": "weekly", "name": "Weekly"})

    entry = AuditEntry.objects.filter(table_name="contacts_topic").latest("at")
    assert shop.key is not None
    assert entry.actor == f"key:{shop.key.pk} shop"


def test_every_action_has_a_scope() -> None:
    from django.urls import get_resolver

    for pattern in _patterns(get_resolver().url_patterns):
        actions = getattr(pattern.callback, "actions", None)
        if actions is not None and hasattr(pattern.callback.cls, "scopes"):
            missing = set(actions.values()) - set(pattern.callback.cls.scopes)
            # Whoever holds a link of a mail needs no key.
            assert not missing or issubclass(pattern.callback.cls, LinkViewSet), pattern


def _patterns(patterns: Any) -> Any:
    for pattern in patterns:
        if hasattr(pattern, "url_patterns"):
            yield from _patterns(pattern.url_patterns)
        else:
            yield pattern
