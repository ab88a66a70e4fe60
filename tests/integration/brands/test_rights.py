"""What an operator may do."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.db import IntegrityError

from apps.brands import rights
from apps.brands.models import Brand, Grant
from apps.brands.rights import Right, RightMissingError
from tests.factories.brands import BrandFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def brand() -> Brand:
    return BrandFactory.create(name="Acme")


def operator(brand: Brand, *granted: Right, **fields: Any) -> User:
    user = User.objects.create_user("anna", **fields)
    for right in granted:
        Grant.objects.create(user=user, brand=brand, right=right)
    return user


def test_right_holds_on_its_brand_alone(brand: Brand) -> None:
    user = operator(brand, Right.EDIT)
    other = BrandFactory.create()

    assert rights.holds(user, Right.EDIT, brand_id=brand.pk)
    assert not rights.holds(user, Right.EDIT, brand_id=other.pk)
    assert list(rights.brand_ids(user, Right.EDIT)) == [brand.pk]


def test_any_right_lets_view_and_nothing_else(brand: Brand) -> None:
    user = operator(brand, Right.EXPORT)

    held = {right for right in Right if rights.holds(user, right, brand_id=brand.pk)}

    assert held == {Right.EXPORT, Right.VIEW}


def test_superuser_may_all(brand: Brand) -> None:
    user = operator(brand, is_superuser=True)

    assert all(rights.holds(user, right, brand_id=brand.pk) for right in Right)
    assert list(rights.brand_ids(user, Right.ERASE)) == [brand.pk]


def test_inactive_and_unknown_users_may_nothing(brand: Brand) -> None:
    user = operator(brand, Right.EDIT, is_superuser=True, is_active=False)

    for one in (user, AnonymousUser()):
        assert not rights.holds(one, Right.VIEW, brand_id=brand.pk)
        assert list(rights.brand_ids(one, Right.VIEW)) == []


def test_missing_right_is_named_with_the_brand(brand: Brand) -> None:
    user = operator(brand, Right.VIEW)

    with pytest.raises(RightMissingError, match=r"“launch”.*Acme"):
        rights.require(user, Right.LAUNCH, brand_id=brand.pk)


def test_grants_are_read_once(brand: Brand, django_assert_num_queries: Any) -> None:
    user = operator(brand, Right.EDIT)

    with django_assert_num_queries(1):
        for right in Right:
            rights.holds(user, right, brand_id=brand.pk)
            rights.brand_ids(user, right)


def test_right_is_granted_once_and_known(brand: Brand) -> None:
    user = operator(brand, Right.EDIT)

    with pytest.raises(IntegrityError, match="grant_once"):
        Grant.objects.create(user=user, brand=brand, right=Right.EDIT)


def test_unknown_right_is_refused(brand: Brand) -> None:
    with pytest.raises(IntegrityError, match="grant_right_known"):
        operator(brand, "fly")  # type: ignore[arg-type]
