"""API keys: made, changed, revoked, recognised."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog
from django.db import transaction
from django.db.models.functions import Coalesce, Least, Now
from django.utils import timezone

from apps.brands.errors import ApiKeyLimitError, ApiKeyStateError, InvalidBrandError
from apps.brands.models import ApiKey, Brand, Scope
from apps.brands.saving import save_valid

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

log = structlog.get_logger(__name__)

VALID_AT_ONCE = 2
ROTATION_GRACE = timedelta(days=7)
# `last_used_at` is written at most this often: a busy key would be one hot row else.
USE_NOTED_EVERY = timedelta(minutes=1)

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
PREFIX_LETTERS = 10
SECRET_LETTERS = 40  # 238 bits: a fast hash is enough, nobody can try them all
_TOKEN = re.compile(rf"(fs[A-Za-z0-9]{{{PREFIX_LETTERS}}})_[A-Za-z0-9]{{{SECRET_LETTERS}}}")


@dataclass(frozen=True)
class IssuedKey:
    """A new key with its token, which is nowhere kept and cannot be shown again."""

    key: ApiKey
    token: str


def issue(
    *,
    brand: Brand,
    name: str,
    scopes: Iterable[str],
    by: str,
    expires_at: datetime | None = None,
) -> IssuedKey:
    """Makes a key.

    Raises `InvalidBrandError` naming what is wrong, `ApiKeyLimitError` where two valid keys of
    the brand have this name already.
    """
    wanted = sorted(set(scopes))
    _check(wanted, expires_at)
    prefix = f"fs{_random(PREFIX_LETTERS)}"
    token = f"{prefix}_{_random(SECRET_LETTERS)}"
    key = ApiKey(
        brand=brand,
        name=name.strip(),
        prefix=prefix,
        secret_hash=_digest(token),
        scopes=wanted,
        expires_at=expires_at,
        created_by=by,
    )
    with transaction.atomic():
        Brand.objects.select_for_update(no_key=True).get(pk=brand.pk)
        if ApiKey.objects.valid().filter(brand=brand, name=key.name).count() >= VALID_AT_ONCE:
            raise ApiKeyLimitError(
                f"{VALID_AT_ONCE} keys named {key.name!r} are valid already: revoke one, or choose"
                " another name."
            )
        save_valid(key)
    log.info("api_key_issued", key=key.pk, brand=brand.pk)
    return IssuedKey(key=key, token=token)


def rotate(*, key_id: int, by: str, grace: timedelta = ROTATION_GRACE) -> IssuedKey:
    """A new key with the old one's name, scopes and expiry; the old one ends after `grace`.

    Raises `ApiKeyStateError` where the key is not valid, `ApiKeyLimitError` as `issue`.
    """
    with transaction.atomic():
        old = _valid(key_id)
        issued = issue(
            brand=old.brand, name=old.name, scopes=old.scopes, by=by, expires_at=old.expires_at
        )
        end = Now() + grace
        ApiKey.objects.filter(pk=old.pk).update(expires_at=Least(Coalesce("expires_at", end), end))
    log.info("api_key_rotated", key=old.pk, successor=issued.key.pk)
    return issued


def revoke(*, key_id: int) -> None:
    """Ends the key now. Raises `ApiKeyStateError` where it was revoked before."""
    if not ApiKey.objects.filter(pk=key_id, revoked_at=None).update(revoked_at=Now()):
        raise ApiKeyStateError("The key is revoked already.")
    log.info("api_key_revoked", key=key_id)


def recognise(token: str) -> ApiKey | None:
    """The valid key that the token belongs to, with its brand; one look-up by prefix."""
    match = _TOKEN.fullmatch(token)
    if match is None:
        return None
    key = ApiKey.objects.valid().select_related("brand").filter(prefix=match[1]).first()
    if key is None or not hmac.compare_digest(bytes(key.secret_hash), _digest(token)):
        return None
    return key


def note_use(key: ApiKey) -> None:
    """Remembers when the key was last used, to the minute."""
    now = timezone.now()
    if key.last_used_at is None or key.last_used_at < now - USE_NOTED_EVERY:
        ApiKey.objects.filter(pk=key.pk).update(last_used_at=now)


def _check(scopes: list[str], expires_at: datetime | None) -> None:
    unknown = sorted(set(scopes) - set(Scope.values))
    if unknown or not scopes:
        found = f"{', '.join(unknown)}: no such scope. " if unknown else "At least one is needed. "
        raise InvalidBrandError(f"scopes: {found}There are: {', '.join(Scope.values)}.")
    if expires_at is not None and expires_at <= timezone.now():
        raise InvalidBrandError("expires_at: lies in the past.")


def _valid(key_id: int) -> ApiKey:
    key = (
        ApiKey.objects.valid()
        .select_related("brand")
        .select_for_update(of=("self",))
        .filter(pk=key_id)
        .first()
    )
    if key is None:
        raise ApiKeyStateError("The key is revoked or expired; make a new one.")
    return key


def _random(letters: int) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(letters))


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
