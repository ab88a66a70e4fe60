from __future__ import annotations

import pytest

from apps.sandbox.choices import SettingError
from apps.sandbox.resend.accounts import Access, Account, Accounts, check_override
from apps.sandbox.resend.errors import ApiError
from apps.sandbox.resend.settings import Settings

TIMES = (0.8, 0.9, 0.95, 1.0, 1.1, 1.2)


def admitted(account: Account) -> list[bool]:
    return [account.admit(now).allowed for now in TIMES]


def account(**settings: object) -> Account:
    made = Account("main", Settings())
    made.configure(Settings().changed({"rate_limit": 2, **settings}))
    return made


def test_window_is_sliding_by_default() -> None:
    assert admitted(account()) == [True, True, False, False, False, False]


def test_window_can_be_fixed() -> None:
    assert admitted(account(rate_window="fixed")) == [True, True, False, True, True, False]


def test_changing_another_setting_keeps_what_was_counted() -> None:
    made = account()
    admitted(made)

    made.configure(Settings().changed({"rate_limit": 2, "latency_ms": 5}))

    assert not made.admit(1.3).allowed


def test_lifted_limit_lets_all_in_and_still_counts_the_peak() -> None:
    made = account(rate_limit=0)

    assert admitted(made) == [True] * 6
    assert made.peak.peak == 6


def test_reset_forgets_the_window() -> None:
    made = account()
    admitted(made)

    made.reset()

    assert made.admit(1.3).allowed
    assert made.peak.peak == 1


def test_own_setting_outlives_a_shared_change() -> None:
    made = account()
    made.overrides["rate_limit"] = "7"

    made.configure(Settings().changed({"rate_limit": 3}))

    assert made.settings.rate_limit == 7


@pytest.mark.parametrize("name", ["latency_ms", "nothing"])
def test_setting_shared_by_all_cannot_be_overridden(name: str) -> None:
    with pytest.raises(SettingError, match=f"{name}: no setting that can differ by account"):
        check_override(name, 1)


def test_suspended_key_is_refused() -> None:
    accounts = Accounts(Settings(), [("main", "re_old", Access.SUSPENDED)])

    with pytest.raises(ApiError) as caught:
        accounts.authenticate("Bearer re_old")

    assert (caught.value.status, caught.value.name) == (403, "suspended_api_key")
