"""Errors go to Sentry where a DSN is set, without anybody's data; so do runs of scheduled jobs.

What is logged as an error is an event: the base task, dead letters and alerts need nothing more.
"""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any

import sentry_sdk
import structlog
from sentry_sdk.crons import MonitorStatus, capture_checkin
from sentry_sdk.integrations.celery import CeleryIntegration
from sentry_sdk.integrations.django import DjangoIntegration
from sentry_sdk.integrations.logging import LoggingIntegration, ignore_logger
from sentry_sdk.utils import event_from_exception

from apps.queues.endings import Outcome, register_ending_listener
from apps.queues.scrubbing import scrub_deeply
from config.logs import hide_tokens

if TYPE_CHECKING:
    from apps.queues.endings import Ending

TAGS = ("queue", "task", "reason", "kind", "subject", "schedule", "account", "correlation_id")
_MINUTE = 60


def report_errors(*, dsn: str, environment: str, transport: Any = None) -> None:
    """Does nothing without a DSN. Local variables and request bodies hold addresses: never sent.

    Nor are users, cookies and headers, which Sentry's client leaves out unless told otherwise.

    `transport` takes the place of the one that speaks to Sentry.
    """
    if not dsn:
        return
    sentry_sdk.init(
        dsn=dsn,
        environment=environment,
        transport=transport,
        include_local_variables=False,
        max_request_body_size="never",
        before_send=prepare_event,
        before_breadcrumb=prepare_breadcrumb,
        integrations=[
            DjangoIntegration(),
            # Beat only ticks here: what is watched are claimed periods, see `check_in`.
            CeleryIntegration(monitor_beat_tasks=False, propagate_traces=False),
            LoggingIntegration(level=logging.INFO, event_level=logging.ERROR),
        ],
    )
    # Django's integration tells of these already.
    ignore_logger("django_structlog.middlewares.request")
    register_ending_listener("sentry", check_in)


def prepare_event(event: Any, hint: dict[str, Any]) -> Any:
    """Turns a structured line into an event that Sentry can group, and cleans every event."""
    record = hint.get("log_record")
    line = record.msg if record is not None and isinstance(record.msg, dict) else {}
    if line:
        event |= _from_line(line)
    known = {**structlog.contextvars.get_contextvars(), **line}
    tags = {name: str(known[name]) for name in TAGS if known.get(name) not in {None, ""}}
    event["tags"] = {**_as_dict(event.get("tags")), **tags}
    return _clean(event)


def prepare_breadcrumb(crumb: Any, hint: dict[str, Any]) -> Any:
    """The lines before an error, by their names."""
    record = hint.get("log_record")
    if record is not None and isinstance(record.msg, dict):
        crumb["message"] = str(record.msg.get("event", ""))
        crumb["data"] = {name: str(record.msg[name]) for name in TAGS if name in record.msg}
    return _clean(crumb)


def check_in(ending: Ending) -> None:
    """A run of a scheduled job has ended: its monitor hears of it. A listener of `endings`."""
    from apps.queues import schedules  # noqa: PLC0415 - needs settings, which are being made here

    claim = schedules.claimed_period()
    schedule = next(
        (one for one in schedules.SCHEDULES if claim and one.name == claim.schedule), None
    )
    if schedule is None:
        return
    succeeded = ending.outcome is Outcome.DONE
    capture_checkin(
        monitor_slug=f"flux-{schedule.name}",
        status=MonitorStatus.OK if succeeded else MonitorStatus.ERROR,
        duration=ending.seconds,
        monitor_config={
            "schedule": {
                "type": "interval",
                "value": max(1, schedule.every_seconds // _MINUTE),
                "unit": "minute",
            },
            "timezone": "UTC",
            "checkin_margin": max(1, schedule.grace_seconds // _MINUTE),
        },
    )


def _from_line(line: dict[str, Any]) -> dict[str, Any]:
    name = str(line.get("event", ""))
    changes: dict[str, Any] = {
        "logentry": {"message": name},
        "extra": {key: value for key, value in line.items() if key not in {"event", "exc_info"}},
    }
    error = line.get("exc_info")
    found = sys.exc_info() if error is True else error
    if isinstance(found, BaseException):
        found = (type(found), found, found.__traceback__)
    if isinstance(found, tuple) and found[0] is not None:
        options = sentry_sdk.get_client().options
        mechanism = {"type": "logging", "handled": True}
        raised, _ = event_from_exception(found, client_options=options, mechanism=mechanism)
        return {**changes, **raised}
    # Alike are those of one name about one thing, whatever their figures.
    return {
        **changes,
        "fingerprint": [name, *(str(line[key]) for key in TAGS[:-1] if key in line)],
    }


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return hide_tokens(None, "", {"text": scrub_deeply(value)})["text"]
    if isinstance(value, dict):
        return {_clean(name): _clean(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(one) for one in value]
    return value


def _as_dict(tags: Any) -> dict[str, Any]:
    return dict(tags or {})
