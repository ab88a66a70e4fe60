"""What leaves for Sentry, seen by a transport of the test."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
import sentry_sdk
import structlog
from sentry_sdk.transport import Transport

from apps.queues import endings, schedules
from apps.queues.correlation import bind_correlation_id, clear_correlation_id
from apps.queues.deliveries import Delivery, deadline_after
from apps.queues.endings import Ending, Outcome
from config import reporting

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sentry_sdk.envelope import Envelope

log = structlog.get_logger("tests.reporting")


class Kept(Transport):
    """Keeps what would have been sent."""

    def __init__(self) -> None:
        super().__init__()
        self.items: list[dict[str, Any]] = []

    def capture_envelope(self, envelope: Envelope) -> None:
        for item in envelope.items:
            if item.payload.json is not None:
                self.items.append({"type": item.type, **item.payload.json})

    @property
    def events(self) -> list[dict[str, Any]]:
        return [one for one in self.items if one["type"] == "event"]


@pytest.fixture
def sentry(monkeypatch: pytest.MonkeyPatch) -> Iterator[Kept]:
    kept = Kept()
    monkeypatch.setattr(endings, "_listeners", {})
    reporting.report_errors(
        dsn="https://key@sentry.example.com/1", environment="test", transport=kept
    )
    yield kept
    sentry_sdk.get_client().close()
    sentry_sdk.init()  # off again for the tests after this one
    clear_correlation_id()


def ending(outcome: Outcome) -> Ending:
    delivery = Delivery(
        "queues.prune_periods", "maintenance", 1, 3, None, deadline_after(9), "c" * 8
    )
    return Ending(delivery, outcome, 1.5)


def test_nothing_is_reported_without_a_dsn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endings, "_listeners", {})

    reporting.report_errors(dsn="", environment="test")

    assert not sentry_sdk.get_client().is_active()
    assert endings._listeners == {}


def test_logged_error_is_an_event_with_tags_and_groups_by_its_name(sentry: Kept) -> None:
    bind_correlation_id("the-request-1")
    log.error("alert_raised", kind="queue_depth", subject="events", value=9000)
    log.error("alert_raised", kind="queue_depth", subject="events", value=9001)

    first, second = sentry.events
    assert first["logentry"]["message"] == "alert_raised"
    assert first["tags"]["kind"] == "queue_depth"
    assert first["tags"]["correlation_id"] == "the-request-1"
    assert (
        first["fingerprint"] == second["fingerprint"] == ["alert_raised", "queue_depth", "events"]
    )


def test_logged_exception_has_its_traceback_and_no_addresses(sentry: Kept) -> None:
    try:
        int("Key (address)=(ada@example.com) exists")
    except ValueError:
        log.exception("task_raised", task="mail.send_batches")

    (event,) = sentry.events
    (raised,) = event["exception"]["values"]
    assert raised["type"] == "ValueError"
    assert raised["value"].endswith("'Key (address)=(<address>) exists'")
    assert raised["stacktrace"]["frames"][-1]["function"].startswith("test_logged_exception")
    assert "ada@example.com" not in str(sentry.items)


def test_nothing_of_a_person_leaves_in_any_part(sentry: Kept) -> None:
    logging.getLogger("some.library").info("connecting for ada@example.com")
    log.info("looked_up", address="ada@example.com")
    sentry_sdk.set_tag("url", "/unsubscribe/secret-token/")
    sentry_sdk.set_extra("key", "re_12345678abc")

    log.error("it_broke", detail="of ada@example.com", key="whsec_MTIzNDU2Nzg=")

    told = str(sentry.items)
    assert sentry.events
    for secret in ("ada@example.com", "secret-token", "re_12345678abc", "whsec_MTIz"):
        assert secret not in told


def test_warnings_are_no_events(sentry: Kept) -> None:
    log.warning("provider_account_frozen", account="account:1")

    assert sentry.events == []


@pytest.mark.parametrize(
    ("outcome", "status"), [(Outcome.DONE, "ok"), (Outcome.ATTEMPTS_SPENT, "error")]
)
def test_run_of_a_scheduled_job_checks_in(
    outcome: Outcome, status: str, sentry: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    schedule = next(one for one in schedules.SCHEDULES if one.name == "prune-periods")
    claim = schedules.Claim(schedule.name, schedule.period(deadline_after(0)))
    monkeypatch.setattr(schedules, "claimed_period", lambda: claim)

    endings.tell(ending(outcome))

    (told,) = [one for one in sentry.items if one["type"] == "check_in"]
    assert (told["monitor_slug"], told["status"]) == ("flux-prune-periods", status)
    assert told["monitor_config"]["schedule"] == {
        "type": "interval",
        "value": schedule.every_seconds // 60,
        "unit": "minute",
    }


def test_task_that_claimed_no_period_checks_in_nowhere(sentry: Kept) -> None:
    endings.tell(ending(Outcome.DONE))

    assert sentry.items == []
