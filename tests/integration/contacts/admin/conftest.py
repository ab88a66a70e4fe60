from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.contrib.auth.models import User
from django.test import Client

from apps.brands.models import Grant

if TYPE_CHECKING:
    from collections.abc import Callable

    from apps.brands.models import Brand
    from apps.brands.rights import Right

    LogIn = Callable[..., Client]


@pytest.fixture
def log_in(db: None) -> LogIn:
    """A browser of an operator who holds these rights on the brand."""

    def make(brand: Brand, *held: Right, name: str = "anna") -> Client:
        user = User.objects.create_user(name, is_staff=True)
        for right in held:
            Grant.objects.create(user=user, brand=brand, right=right)
        return _browser(user)

    return make


@pytest.fixture
def superuser(db: None) -> Client:
    return _browser(User.objects.create_superuser("root"))


def _browser(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client
