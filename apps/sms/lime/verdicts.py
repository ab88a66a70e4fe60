"""The one place that decides what the provider's answers mean."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class Kind(StrEnum):
    """What became of a text."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    """Surely not accepted, and it never will be: failed, with the reason."""
    NOT_OPTED_IN = "not_opted_in"
    """Asked about the number before sending, the provider knows no opt-in of it."""
    NOT_SENT = "not_sent"
    """Surely not accepted, for a reason that passes: try again, it does no harm."""
    ACCOUNT = "account"
    """Surely not accepted, because of the account: stop it until a person has looked."""
    AMBIGUOUS = "ambiguous"
    """It may have been accepted: unknown, and never sent again by itself."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """`reason` is a short token, kept with the text; `text` is the provider's, without numbers."""

    kind: Kind
    reason: str = ""
    text: str = ""
    retry_after_s: float = 0.0


ACCEPTED = Verdict(Kind.ACCEPTED)

BY_ERROR_ID: Mapping[str, tuple[Kind, str]] = MappingProxyType(
    {
        "101": (Kind.ACCOUNT, "password_missing"),
        "102": (Kind.REFUSED, "number_missing"),
        # Documents disagree whether these two mean an empty message or an unknown user. An empty
        # message never leaves this station (see `payloads`), so that it can only be the user.
        "103": (Kind.ACCOUNT, "unknown_user"),
        "105": (Kind.ACCOUNT, "unknown_user"),
        "106": (Kind.ACCOUNT, "api_not_enabled"),
        "107": (Kind.REFUSED, "invalid_number"),
        "108": (Kind.REFUSED, "not_opted_in"),
        "109": (Kind.ACCOUNT, "no_credits"),
        "110": (Kind.REFUSED, "number_error"),
        # It failed at sending: whether on the way to the operator or after, nobody says.
        "111": (Kind.AMBIGUOUS, "send_error"),
        "500": (Kind.AMBIGUOUS, "general_error"),
    }
)
"""The provider's error ids. One that is not listed may mean anything, and so is ambiguous."""

BY_STATUS: Mapping[int, tuple[Kind, str]] = MappingProxyType(
    {
        # The base URL leads elsewhere: redirects are not followed.
        301: (Kind.ACCOUNT, "redirected"),
        302: (Kind.ACCOUNT, "redirected"),
        303: (Kind.ACCOUNT, "redirected"),
        307: (Kind.ACCOUNT, "redirected"),
        308: (Kind.ACCOUNT, "redirected"),
        400: (Kind.REFUSED, "bad_request"),
        401: (Kind.ACCOUNT, "unauthorized"),
        402: (Kind.ACCOUNT, "no_credits"),
        403: (Kind.ACCOUNT, "forbidden"),
        404: (Kind.ACCOUNT, "not_found"),
        405: (Kind.ACCOUNT, "not_found"),
        413: (Kind.REFUSED, "too_large"),
        415: (Kind.REFUSED, "bad_request"),
        429: (Kind.NOT_SENT, "throttled"),
    }
)
"""Statuses without an error id. Whatever is not known to be refused may have been accepted."""


def by_error_id(error_id: str, text: str = "") -> Verdict:
    kind, reason = BY_ERROR_ID.get(error_id, (Kind.AMBIGUOUS, "unknown_error"))
    return Verdict(kind, reason, text)


def by_status(status: int, text: str = "") -> Verdict:
    kind, reason = BY_STATUS.get(status, (Kind.AMBIGUOUS, f"status_{status}"))
    return Verdict(kind, reason, text)
