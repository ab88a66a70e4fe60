"""The one table that decides what the provider's errors mean."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from apps.mail.resend.errors import (
    AccountRefused,
    Ambiguous,
    BatchRefused,
    CallNotOffered,
    ContactExists,
    ContactRefused,
    ContactUnknown,
    KeyInFlight,
    KeyMismatch,
    QuotaExceeded,
    ResendFailure,
    SenderRefused,
    Throttled,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Judge = Callable[[int, str], type[ResendFailure]]

_FORBIDDEN = 403
_CONFLICT = 409
NOT_JSON = "application_error"
"""What the SDK calls an answer that is no JSON, whoever gave it; the API names its own 500s so."""

BY_STATUS_AND_NAME: Mapping[tuple[int, str], type[ResendFailure]] = MappingProxyType(
    {
        (400, "invalid_idempotency_key"): KeyMismatch,
        (403, "validation_error"): SenderRefused,
        (409, "invalid_idempotent_request"): KeyMismatch,
        (409, "concurrent_idempotent_requests"): KeyInFlight,
        (409, "resource_locked"): KeyInFlight,
        # A proxy that says so keeps the request to itself.
        (413, NOT_JSON): BatchRefused,
        (429, NOT_JSON): Throttled,
        (429, "daily_quota_exceeded"): QuotaExceeded,
        (429, "monthly_quota_exceeded"): QuotaExceeded,
    }
)

BY_STATUS: Mapping[int, type[ResendFailure]] = MappingProxyType(
    {
        # The base URL leads elsewhere: redirects are not followed.
        301: AccountRefused,
        302: AccountRefused,
        303: AccountRefused,
        307: AccountRefused,
        308: AccountRefused,
        400: BatchRefused,
        401: AccountRefused,
        402: AccountRefused,
        403: AccountRefused,
        404: AccountRefused,
        405: AccountRefused,
        413: BatchRefused,
        415: BatchRefused,
        422: BatchRefused,
        429: Throttled,
        451: BatchRefused,
    }
)


CONTACTS_BY_STATUS: Mapping[int, type[ResendFailure]] = MappingProxyType(
    {
        400: ContactRefused,
        404: ContactUnknown,
        405: CallNotOffered,
        409: ContactExists,
        413: ContactRefused,
        415: ContactRefused,
        422: ContactRefused,
        451: ContactRefused,
    }
)
"""Where calls about contacts mean something else than sends do."""


def verdict(status: int, name: str) -> type[ResendFailure]:
    """What an error answer means. Whatever is not known to be refused may have been accepted."""
    if (status, name) in BY_STATUS_AND_NAME:
        return BY_STATUS_AND_NAME[status, name]
    if name == NOT_JSON:
        return Ambiguous
    return BY_STATUS.get(status, Ambiguous)


def contact_verdict(status: int, name: str) -> type[ResendFailure]:
    """The same for a call about a contact. What is not known to be refused may have been done."""
    if name == NOT_JSON or (status == _CONFLICT and (status, name) in BY_STATUS_AND_NAME):
        return verdict(status, name)
    if status == _FORBIDDEN:  # no sender is at stake here: the key may not do this
        return AccountRefused
    return CONTACTS_BY_STATUS.get(status) or verdict(status, name)


def set_verdict(status: int, name: str) -> type[ResendFailure]:
    """The same for the call that sets all segments, which a provider without it answers by 404."""
    kind = contact_verdict(status, name)
    return CallNotOffered if kind is ContactUnknown else kind
