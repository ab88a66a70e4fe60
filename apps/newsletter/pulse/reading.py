"""Checking the interactions of a call, thousands of them in some milliseconds.

Serializers of the kit take a millisecond for what takes some microseconds here.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings

from apps.contacts.addresses import normalise
from apps.contacts.errors import InvalidAddressError
from apps.newsletter.models.engagement import (
    EVENT_ID_LIMIT,
    KIND_LIMIT,
    KIND_PATTERN,
    OWN_SIGNALS,
    SUBJECT_LIMIT,
)
from apps.newsletter.pulse.errors import InvalidInteractionsError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

FIELDS = frozenset({"id", "kind", "occurred_at", "contact", "email", "subject"})
NEEDED = ("id", "kind", "occurred_at")
LARGEST_ID = 2**63 - 1
# A caller's clock may be ahead of ours; more is a mistake.
FUTURE = timedelta(hours=1)
# More would only make the answer long.
TOLD_AT_MOST = 50

_EVENT_ID = re.compile(rf"[!-~]{{1,{EVENT_ID_LIMIT}}}")
_KIND = re.compile(KIND_PATTERN)


class _FaultError(Exception):
    """What is wrong with one value."""


def read_interactions(given: Any, *, now: datetime) -> list[dict[str, Any]]:
    """The interactions as they are kept, under short names.

    `e` event id, `k` kind, `t` time, and where given `c` contact, `a` look-up address, `s` subject.

    Raises `InvalidInteractionsError`.
    """
    limit = settings.PULSE_CALL_LIMIT
    if not isinstance(given, list) or not 1 <= len(given) <= limit:
        raise InvalidInteractionsError(
            {"interactions": [f"Expected a list of 1 to {limit:,} interactions."]}
        )
    errors: dict[str, list[str]] = {}
    oldest = now - timedelta(days=31 * settings.INTERACTION_RETENTION_MONTHS)
    read = _Reader(oldest=oldest, newest=now + FUTURE).read
    kept = []
    for index, one in enumerate(given):
        row = read(one, f"interactions.{index}", errors)
        if len(errors) >= TOLD_AT_MOST:
            break
        kept.append(row)
    if errors:
        raise InvalidInteractionsError(errors)
    return kept


class _Reader:
    """Reads one interaction after the other. Anything before `oldest` would be dropped at once."""

    def __init__(self, *, oldest: datetime, newest: datetime) -> None:
        self._oldest, self._newest = oldest, newest
        self._fields: Sequence[tuple[str, str, Callable[[Any], Any]]] = (
            ("id", "e", _event_id),
            ("kind", "k", _kind),
            ("occurred_at", "t", self._moment),
            ("contact", "c", _contact),
            ("email", "a", _address),
            ("subject", "s", _subject),
        )

    def read(self, one: Any, place: str, errors: dict[str, list[str]]) -> dict[str, Any]:
        if not isinstance(one, dict):
            errors[place] = ["Expected an object."]
            return {}
        for name in one.keys() - FIELDS:
            errors[f"{place}.{name[:KIND_LIMIT]}"] = [
                f"Unknown field. Known are: {', '.join(sorted(FIELDS))}."
            ]
        for name in NEEDED:
            if one.get(name) is None:
                errors[f"{place}.{name}"] = ["This field is required."]
        row = {}
        for name, kept_as, read in self._fields:
            value = one.get(name)
            if value is None:
                continue
            try:
                row[kept_as] = read(value)
            except _FaultError as fault:
                errors[f"{place}.{name}"] = [str(fault)]
        if "c" in row and "a" in row:
            errors[f"{place}.email"] = ["Give contact or email, not both."]
        return row

    def _moment(self, value: Any) -> str:
        try:
            moment = datetime.fromisoformat(value)
            moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
            in_bounds = self._oldest <= moment <= self._newest
        except (TypeError, ValueError, OverflowError):
            raise _FaultError("Expected a time such as 2026-10-06T23:47:56.678Z.") from None
        if not in_bounds:
            raise _FaultError(
                f"Expected a time from {self._oldest:%Y-%m-%d} (older ones are not kept) to now."
            )
        return moment.astimezone(UTC).isoformat()


def _event_id(value: Any) -> str:
    if not isinstance(value, str) or not _EVENT_ID.fullmatch(value):
        raise _FaultError(
            f"Expected a name of your own for this event: 1 to {EVENT_ID_LIMIT} printable ASCII "
            "characters without spaces."
        )
    return value


def _kind(value: Any) -> str:
    if not isinstance(value, str) or not _KIND.fullmatch(value):
        raise _FaultError(
            f"Expected a name like visited: 1 to {KIND_LIMIT} of a-z, 0-9 and _, a letter first."
        )
    if value in OWN_SIGNALS:
        raise _FaultError(f"The station knows of {value} by itself: use another name.")
    return value


def _contact(value: Any) -> int:
    if type(value) is not int or not 1 <= value <= LARGEST_ID:
        raise _FaultError("Expected the id of a contact, a whole number.")
    return value


def _address(value: Any) -> str:
    if not isinstance(value, str):
        raise _FaultError("Expected an address, as text.")
    try:
        return normalise(value).address
    except InvalidAddressError as error:
        raise _FaultError(str(error)) from None


def _subject(value: Any) -> str:
    if not isinstance(value, str) or len(value) > SUBJECT_LIMIT or "\x00" in value:
        raise _FaultError(f"Expected a text of at most {SUBJECT_LIMIT} characters.")
    return value
