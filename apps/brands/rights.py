"""What an operator may do: asked at the edges (admin, API), never inside services.

A user's grants are read once and kept on the user object, which lives as long as a request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.core.exceptions import PermissionDenied

from apps.brands.models import Brand, Grant, Right

if TYPE_CHECKING:
    from collections.abc import Collection

    from django.contrib.auth.base_user import AbstractBaseUser
    from django.contrib.auth.models import AnonymousUser

__all__ = ["Right", "RightMissingError", "brand_ids", "holds", "require"]

_KEPT = "_station_grants"


class RightMissingError(PermissionDenied):
    """The user lacks a right on a brand. Answer 403, or 404 where they may not even view it."""


def holds(user: AbstractBaseUser | AnonymousUser, right: Right, *, brand_id: int) -> bool:
    """Whether the user may do this on the brand. A superuser may all, an inactive one nothing."""
    if not user.is_active:
        return False
    return _is_superuser(user) or right in _rights_by_brand(user).get(brand_id, ())


def brand_ids(user: AbstractBaseUser | AnonymousUser, right: Right) -> Collection[int]:
    """The ids of the brands on which the user holds the right."""
    if not user.is_active:
        return ()
    return [brand for brand, rights in _rights_by_brand(user).items() if right in rights]


def require(user: AbstractBaseUser | AnonymousUser, right: Right, *, brand_id: int) -> None:
    """Raises `RightMissingError`, which names the right and the brand."""
    if not holds(user, right, brand_id=brand_id):
        brand = Brand.objects.filter(pk=brand_id).values_list("name", flat=True).first()
        raise RightMissingError(
            f"You need the right “{right.value}” ({right.label}) on {brand or 'this brand'};"
            " ask somebody who administers it."
        )


def _is_superuser(user: AbstractBaseUser | AnonymousUser) -> bool:
    return bool(getattr(user, "is_superuser", False))


def _rights_by_brand(user: AbstractBaseUser | AnonymousUser) -> dict[int, set[str]]:
    kept: dict[int, set[str]] | None = getattr(user, _KEPT, None)
    if kept is None:
        kept = _read(user)
        setattr(user, _KEPT, kept)
    return kept


def _read(user: AbstractBaseUser | AnonymousUser) -> dict[int, set[str]]:
    if user.pk is None:
        return {}
    if _is_superuser(user):
        every = set(Right.values)
        return dict.fromkeys(Brand.objects.values_list("pk", flat=True), every)
    rights: dict[int, set[str]] = {}
    grants = Grant.objects.filter(user__pk=user.pk)
    for brand_id, right in grants.values_list("brand_id", "right"):
        rights.setdefault(brand_id, {str(Right.VIEW)}).add(right)
    return rights
