"""Who calls: `Authorization: Bearer <prefix>_<secret>`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import BasePermission

from apps.brands import acting, keys
from apps.brands.api.errors import (
    CHALLENGE,
    InvalidKeyError,
    MissingKeyError,
    MissingScopeError,
)

if TYPE_CHECKING:
    from rest_framework.request import Request

    from apps.brands.models import ApiKey


NO_SUCH_METHOD = (None, "metadata")


class KeyHolder:
    """The program behind a key: what DRF calls the user."""

    is_authenticated = True
    is_active = True
    is_superuser = False
    pk = None

    def __init__(self, key: ApiKey) -> None:
        self.key = key

    def __str__(self) -> str:
        return self.key.actor


class ApiKeyAuthentication(BaseAuthentication):
    """One look-up. A request that may change something is named in the audit log."""

    def authenticate(self, request: Request) -> tuple[KeyHolder, ApiKey] | None:
        header = request.headers.get("Authorization", "")
        if not header:
            return None
        kind, _, token = header.partition(" ")
        if kind.lower() != "bearer":
            raise MissingKeyError
        key = keys.recognise(token.strip())
        if key is None:
            raise InvalidKeyError
        keys.note_use(key)
        if request.method not in acting.SAFE_METHODS:
            acting.act(key.actor)
        return KeyHolder(key), key

    def authenticate_header(self, _request: Request) -> str:
        return CHALLENGE


class HoldsScope(BasePermission):
    """The view's `scopes` say which one each action needs; an action without one is closed."""

    def has_permission(self, request: Request, view: Any) -> bool:
        key: ApiKey | None = request.auth  # type: ignore[assignment]  # the stubs know tokens only
        if key is None:
            raise MissingKeyError
        if view.action in NO_SUCH_METHOD:
            return True  # 405 follows
        needed = view.scopes[view.action]
        if needed not in key.scopes:
            raise MissingScopeError(f"This key lacks the scope {needed}.")
        return True
