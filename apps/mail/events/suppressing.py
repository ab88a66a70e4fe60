"""Whom events say must not be mailed any more: addresses that are gone, people who complained."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from apps.contacts.addresses import normalise
from apps.contacts.errors import InvalidAddressError
from apps.contacts.models import SuppressionOrigin, SuppressionReason
from apps.contacts.suppressing import suppress_many
from apps.mail.models import Message

if TYPE_CHECKING:
    from collections.abc import Iterable

    from apps.mail.events.reading import Report
    from apps.mail.events.standings import Target


@dataclass(frozen=True)
class Match:
    """An event's report and the message it is about."""

    target: Target
    report: Report


def suppress_reported(matches: Iterable[Match]) -> None:
    """One statement for all hard bounces, and one for the complaints about each brand.

    In one order everywhere, so that two pages at once do not wait for each other crosswise.
    """
    bounced: set[str] = set()
    complained: dict[int, set[str]] = defaultdict(set)
    for match in matches:
        if match.report.suppression is SuppressionReason.HARD_BOUNCE:
            bounced |= _address(match)
        elif match.report.suppression is SuppressionReason.COMPLAINT:
            complained[match.target.brand_id] |= _address(match)
    _suppress(bounced, SuppressionReason.HARD_BOUNCE, None)
    for brand_id in sorted(complained):
        _suppress(complained[brand_id], SuppressionReason.COMPLAINT, brand_id)


def _suppress(addresses: set[str], reason: SuppressionReason, brand_id: int | None) -> None:
    if addresses:
        suppress_many(
            addresses=addresses,
            reason=reason,
            origin=SuppressionOrigin.PROVIDER,
            now=datetime.now(tz=UTC),
            brand_id=brand_id,
        )


def _address(match: Match) -> set[str]:
    """Where the mail went.

    The ledger says so, except for a message that is not settled yet: its address is from the
    planning, and the person's may have changed before the sealing.
    """
    address = match.target.address or ""
    if match.target.state == Message.State.PENDING:
        with contextlib.suppress(InvalidAddressError):
            address = normalise(match.report.address).address
    return {address} if address else set()
