"""Links that confirm: ours alone, for one purpose, for some days."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from apps.mail import links
from apps.mail.links import InvalidLinkError, LinkTarget
from apps.newsletter.confirm_links import ConfirmTarget, make_token, read_token

NOW = datetime.now(tz=UTC).replace(microsecond=0)
TARGET = ConfirmTarget(contact_id=7, asked_at=NOW)


def test_token_is_read_back() -> None:
    assert read_token(make_token(TARGET)) == TARGET


def test_every_change_spoils_it() -> None:
    token = make_token(TARGET)

    for place in range(len(token) - 1):  # the last character has bits that say nothing
        spoilt = token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]
        with pytest.raises(InvalidLinkError):
            read_token(spoilt)


@pytest.mark.parametrize(
    "token",
    ["", "x", "ä", "A" * 500, links.make_token(LinkTarget(7, 0, 0))],
    ids=["empty", "short", "no ascii", "long", "another link"],
)
def test_what_is_not_ours_is_refused(token: str) -> None:
    with pytest.raises(InvalidLinkError):
        read_token(token)


def test_old_keys_stay_good_until_they_are_dropped(settings: Any) -> None:
    settings.LINK_KEYS = {1: b"a" * 32}
    token = make_token(TARGET)

    settings.LINK_KEYS = {1: b"a" * 32, 2: b"b" * 32}
    assert read_token(token) == TARGET
    settings.LINK_KEYS = {2: b"b" * 32}
    with pytest.raises(InvalidLinkError):
        read_token(token)


def test_link_expires(settings: Any) -> None:
    settings.CONFIRM_LINK_DAYS = 7

    assert not ConfirmTarget(7, NOW - timedelta(days=6)).has_expired
    assert ConfirmTarget(7, NOW - timedelta(days=8)).has_expired
