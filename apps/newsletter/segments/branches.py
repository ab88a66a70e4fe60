"""Branch A or B: whether the call that sets all segments of a contact may be made (docs/adr/0018).

Only where its flag is on, and not for a while after the provider said that it has no such call.
"""

from __future__ import annotations

import time

import structlog

from apps.queues.flags import Flag, is_on

log = structlog.get_logger(__name__)

PAUSE_SECONDS = 600.0

_without_until = float("-inf")


def may_set() -> bool:
    """Branch A."""
    return is_on(Flag.SEGMENT_SET) and time.monotonic() >= _without_until


def do_without_set() -> None:
    """The provider does not offer the call: segments change one at a time again."""
    global _without_until  # noqa: PLW0603 - one memory per process
    _without_until = time.monotonic() + PAUSE_SECONDS
    log.error("segment_set_not_offered", flag=Flag.SEGMENT_SET.value, seconds=PAUSE_SECONDS)
