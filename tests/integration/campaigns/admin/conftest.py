"""Operators with some rights, logged in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from apps.brands.models import Grant

if TYPE_CHECKING:
    from collections.abc import Callable

    from apps.brands.rights import Right
    from tests.integration.campaigns.conftest import Newsroom

LogIn = "Callable[..., Client]"


@pytest.fixture
def log_in(newsroom: Newsroom) -> Callable[..., Client]:
    """`log_in("anna", Right.EDIT)`: an operator of the newsroom's brand."""

    def log_in_as(name: str, *rights: Right) -> Client:
        user, _ = User.objects.get_or_create(username=name, defaults={"is_staff": True})
        for right in rights:
            Grant.objects.get_or_create(user=user, brand=newsroom.brand, right=right)
        client = Client()
        client.force_login(user)
        return client

    return log_in_as


def page(name: str, *ids: int) -> str:
    return reverse(f"admin:campaigns_campaign_{name}", args=ids)
