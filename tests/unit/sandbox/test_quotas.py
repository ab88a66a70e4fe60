from __future__ import annotations

from datetime import UTC, datetime

import pytest

from apps.sandbox.resend.errors import ApiError
from apps.sandbox.resend.quotas import Quotas


def epoch(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def send(quotas: Quotas, count: int, at: str, **limits: int) -> None:
    given = {"daily": None, "monthly": None, **limits}
    quotas.check(count, epoch=epoch(at), **given)
    quotas.use(count)


def test_daily_quota_used_up_refuses_until_midnight_utc() -> None:
    quotas = Quotas()
    send(quotas, 3, "2026-03-01T23:00", daily=3)

    with pytest.raises(ApiError) as caught:
        send(quotas, 1, "2026-03-01T23:59", daily=3)

    assert (caught.value.status, caught.value.name) == (429, "daily_quota_exceeded")
    assert caught.value.retry_after == 60
    send(quotas, 3, "2026-03-02T00:00", daily=3)


def test_monthly_quota_used_up_refuses_until_the_next_month() -> None:
    quotas = Quotas()
    send(quotas, 5, "2026-12-30T12:00", monthly=5)

    with pytest.raises(ApiError) as caught:
        send(quotas, 1, "2026-12-31T12:00", monthly=5)

    assert caught.value.name == "monthly_quota_exceeded"
    assert caught.value.retry_after == 12 * 3600
    send(quotas, 5, "2027-01-01T00:00", monthly=5)


def test_quota_too_small_for_the_whole_refuses_all_of_it() -> None:
    quotas = Quotas()
    send(quotas, 2, "2026-03-01T10:00", daily=3)

    with pytest.raises(ApiError):
        send(quotas, 2, "2026-03-01T10:00", daily=3)

    assert quotas.used_today == 2


def test_quota_set_later_counts_what_was_sent_before() -> None:
    quotas = Quotas()
    send(quotas, 2, "2026-03-01T10:00")

    with pytest.raises(ApiError):
        send(quotas, 1, "2026-03-01T10:01", daily=2)
