"""Operators with rights, and their browsers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from apps.brands.models import Grant
from apps.brands.rights import Right

if TYPE_CHECKING:
    from collections.abc import Callable

    from apps.brands.models import Brand

    LogIn = Callable[..., Client]


@pytest.fixture
def log_in(db: None) -> LogIn:
    """A client of a new operator who holds these rights on the brand."""

    def make(brand: Brand, *rights: Right, name: str = "anna") -> Client:
        user = get_user_model().objects.create_user(name, password="x", is_staff=True)
        for right in rights or (Right.VIEW,):
            Grant.objects.create(user=user, brand=brand, right=right)
        client = Client()
        client.force_login(user)
        return client

    return make
