"""Which ends of a call speak against the provider, for its circuit breaker."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from apps.mail.resend.errors import (
    MISSED_SLOT,
    Ambiguous,
    QuotaExceeded,
    ResendFailure,
    SurelyNotSent,
    Throttled,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from apps.queues.breaking import Permit

_CLIENT_ERRORS = range(400, 500)


def report_call(permit: Permit, failure: ResendFailure | None) -> None:
    """Tell the breaker how a call ended; None: as it should.

    Server errors, silence, broken connections and answers that nobody can read count against the
    provider. A refusal counts for it: somebody was there and answered. What is our own business
    counts as neither: a 429 is the limiter's, and a missed slot is a call that was not made.
    """
    if isinstance(failure, Throttled | QuotaExceeded) or is_missed_slot(failure):
        return
    if isinstance(failure, SurelyNotSent) or _is_unclear(failure):
        permit.failed()
    else:
        permit.succeeded()


@contextmanager
def reporting(permit: Permit) -> Iterator[None]:
    """For a call that is all of the block: its end is told, and a failure goes on."""
    try:
        yield
    except ResendFailure as failure:
        report_call(permit, failure)
        raise
    report_call(permit, None)


def is_missed_slot(failure: ResendFailure | None) -> bool:
    return isinstance(failure, SurelyNotSent) and failure.name == MISSED_SLOT


def _is_unclear(failure: ResendFailure | None) -> bool:
    return isinstance(failure, Ambiguous) and failure.status not in _CLIENT_ERRORS
