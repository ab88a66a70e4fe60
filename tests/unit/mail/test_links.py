from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.mail.links import InvalidLinkError, LinkTarget, make_token, read_token, unsubscribe_url

if TYPE_CHECKING:
    from pytest_django import Settings

TARGET = LinkTarget(contact_id=7, mailing_id=8, message_id=9)
IDS = st.integers(0, 2**63 - 1)


@given(contact=IDS, mailing=IDS, message=IDS)
def test_token_is_read_back_as_it_was_made(contact: int, mailing: int, message: int) -> None:
    target = LinkTarget(contact, mailing, message)

    assert read_token(make_token(target)) == target


@given(st.text(max_size=100))
def test_anything_else_is_refused_and_nothing_raises_otherwise(token: str) -> None:
    with pytest.raises(InvalidLinkError):
        read_token(token)


def test_token_with_any_character_changed_is_refused() -> None:
    token = make_token(TARGET)

    for index, character in enumerate(token[:-1]):
        changed = token[:index] + ("A" if character != "A" else "B") + token[index + 1 :]
        with pytest.raises(InvalidLinkError):
            read_token(changed)


def test_old_links_stay_valid_when_a_newer_key_is_in_use(settings: Settings) -> None:
    settings.LINK_KEYS = {1: b"a" * 32}
    old = make_token(TARGET)

    settings.LINK_KEYS = {1: b"a" * 32, 2: b"b" * 32}

    assert read_token(old) == TARGET
    assert make_token(TARGET) != old


def test_link_under_a_key_that_is_gone_is_refused(settings: Settings) -> None:
    settings.LINK_KEYS = {1: b"a" * 32}
    old = make_token(TARGET)

    settings.LINK_KEYS = {2: b"b" * 32}

    with pytest.raises(InvalidLinkError):
        read_token(old)


def test_link_leads_to_the_public_address(settings: Settings) -> None:
    settings.PUBLIC_BASE_URL = "https://news.example"

    assert unsubscribe_url(TARGET).startswith("https://news.example/unsubscribe/")
