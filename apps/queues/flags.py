"""Feature flags: every risky path can be switched off, by hand, in admin, for all processes.

They are switches of django-waffle, one row each, made by a migration. A change is seen everywhere
within five seconds. Each says what "off" falls back to; the list for people is docs/flags.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

import structlog
from django.conf import settings
from django.db import DatabaseError
from waffle import get_waffle_switch_model

if TYPE_CHECKING:
    from collections.abc import Mapping

log = structlog.get_logger(__name__)


class Flag(StrEnum):
    """What can be switched off."""

    CIRCUIT_BREAKER = "circuit-breaker"
    QUEUE_HOLDS = "queue-holds"
    DRAIN_WITHOUT_BROKER = "drain-without-broker"
    PROCESS_QUEUES = "process-queues"
    WATERMARK_ALERTS = "watermark-alerts"
    SEGMENT_QUEUE = "resend.segment_queue.enabled"
    SEGMENT_SET = "RESEND_SEGMENT_SET_ENABLED"


@dataclass(frozen=True, slots=True)
class FlagSpec:
    """`default` holds in a new installation, and where the switch cannot be read."""

    default: bool
    note: str


FLAGS: Mapping[Flag, FlagSpec] = MappingProxyType(
    {
        Flag.CIRCUIT_BREAKER: FlagSpec(
            default=True,
            note="Off: calls to providers go on, whatever their breakers say. The limiter and "
            "retries still hold.",
        ),
        Flag.QUEUE_HOLDS: FlagSpec(
            default=True,
            note="Off: a queue whose tasks keep failing is not held; each task uses its attempts.",
        ),
        Flag.DRAIN_WITHOUT_BROKER: FlagSpec(
            default=True,
            note="Off: while the broker is dead nothing is worked off straight from PostgreSQL; "
            "work waits for the broker.",
        ),
        Flag.PROCESS_QUEUES: FlagSpec(
            default=True,
            note="Off: POST /api/process-queues answers 409 and works nothing.",
        ),
        Flag.WATERMARK_ALERTS: FlagSpec(
            default=True,
            note="Off: watermarks raise and clear no alerts. Health is still told.",
        ),
        Flag.SEGMENT_QUEUE: FlagSpec(
            # In production only once the soak has passed there: docs/validation.md.
            default=settings.ENVIRONMENT != "production",
            note="Off: segments go the old way, a loop of list, remove and add per contact.",
        ),
        Flag.SEGMENT_SET: FlagSpec(
            default=False,
            note="On: one call sets all segments of a contact, once the provider has that call.",
        ),
    }
)


def is_on(flag: Flag) -> bool:
    """Whether the path may be taken. Kept for some seconds by each process; never raises."""
    default = FLAGS[flag].default
    try:
        switch = get_waffle_switch_model().get(flag.value)
    except DatabaseError as error:
        log.warning("flag_not_read", flag=flag.value, error=type(error).__name__)
        return default
    return bool(switch.active) if switch.pk else default
