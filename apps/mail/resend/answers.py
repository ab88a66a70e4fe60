"""What the provider says, in our own shapes: limits, accepted batches, single emails."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from apps.mail.resend.scrubbing import scrub

if TYPE_CHECKING:
    from collections.abc import Mapping

SHORTEST_WAIT_S = 0.1
LONGEST_WAIT_S = 300.0
"""Bounds of what we believe of retry-after: nonsense must neither hammer nor stop an account."""

# "5", "0.5", and the list form of the drafts, "5;w=1, 100;w=60": the first number counts.
_LEADING_NUMBER = re.compile(r"\s*(\d{1,12}(?:\.\d{1,9})?)\s*(?:$|[,;])")


@dataclass(frozen=True, slots=True)
class RateLimit:
    """The limits an answer announced; None where it did not, or where it made no sense."""

    limit: float | None = None
    """Requests a second, for the whole team."""
    remaining: float | None = None
    reset_s: float | None = None
    retry_after_s: float | None = None
    """Between 0.1 and 300."""

    @classmethod
    def from_headers(cls, headers: Mapping[str, str]) -> RateLimit:
        """Header names are in lower case."""
        return cls(
            limit=_number(headers.get("ratelimit-limit")),
            remaining=_number(headers.get("ratelimit-remaining")),
            reset_s=_number(headers.get("ratelimit-reset")),
            retry_after_s=_retry_after(headers),
        )


@dataclass(frozen=True, slots=True)
class BatchAccepted:
    """The provider took the batch. Both fields count the messages of the body from 0."""

    ids: tuple[str | None, ...]
    """The provider's id of each message, None where that message was refused."""
    errors: Mapping[int, str]
    """Why a message was refused, without addresses."""
    rate: RateLimit
    latency_ms: float


@dataclass(frozen=True, slots=True)
class RetrievedEmail:
    id: str
    last_event: str
    """The newest thing that happened to it: sent, delivered, bounced and so on; may be empty."""
    rate: RateLimit = field(repr=False)
    latency_ms: float = field(repr=False)


class AnswerMismatchError(Exception):
    """The answer is JSON, but not the one to this request; `reason` is a short token."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def match_ids(answer: object, *, size: int) -> tuple[tuple[str | None, ...], dict[int, str]]:
    """Ids and errors of a batch of `size` messages, each at its place in the body.

    Under permissive validation `data` holds only the accepted messages, in order, so that the
    places of the refused ones are skipped. Raises `AnswerMismatchError`.
    """
    if not isinstance(answer, dict) or not isinstance(answer.get("data"), list):
        raise AnswerMismatchError("unreadable")
    ids = [_id_of(item) for item in answer["data"]]
    errors = _errors_of(answer.get("errors"), size)
    if len(ids) + len(errors) != size or len(set(ids)) != len(ids):
        raise AnswerMismatchError("wrong_count")
    left = iter(ids)
    return tuple(None if place in errors else next(left) for place in range(size)), errors


def _id_of(item: Any) -> str:
    if not isinstance(item, dict) or not isinstance(item.get("id"), str) or not item["id"]:
        raise AnswerMismatchError("unreadable")
    return str(item["id"])


def _errors_of(items: Any, size: int) -> dict[int, str]:
    """One message may have several errors; they are joined."""
    errors: dict[int, str] = {}
    for item in items or []:
        place = item.get("index") if isinstance(item, dict) else None
        if type(place) is not int or not 0 <= place < size:
            raise AnswerMismatchError("wrong_count")
        text = scrub(str(item.get("message", "")))
        errors[place] = f"{errors[place]}; {text}" if place in errors else text
    return errors


def _number(text: str | None) -> float | None:
    found = _LEADING_NUMBER.match(text or "")
    return float(found[1]) if found else None


def _retry_after(headers: Mapping[str, str]) -> float | None:
    text = headers.get("retry-after")
    if text is None:
        return None
    seconds = _number(text)
    if seconds is None:
        seconds = _seconds_between(headers.get("date"), text)
    if seconds is None:
        return None
    return min(max(SHORTEST_WAIT_S, seconds), LONGEST_WAIT_S)


def _seconds_between(now: str | None, then: str) -> float | None:
    """For retry-after as a date: both are told by the provider's clock, ours plays no part."""
    try:
        return (parsedate_to_datetime(then) - parsedate_to_datetime(now or "")).total_seconds()
    except (TypeError, ValueError):
        return None
