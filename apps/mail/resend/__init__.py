"""Resend: the official SDK over our own transport, and one table of what its errors mean."""

from apps.mail.resend.answers import BatchAccepted, RateLimit, RetrievedEmail
from apps.mail.resend.client import ResendClient
from apps.mail.resend.errors import (
    AccountRefused,
    Ambiguous,
    BatchRefused,
    KeyInFlight,
    KeyMismatch,
    QuotaExceeded,
    ResendFailure,
    SenderRefused,
    SurelyNotSent,
    Throttled,
)

__all__ = [
    "AccountRefused",
    "Ambiguous",
    "BatchAccepted",
    "BatchRefused",
    "KeyInFlight",
    "KeyMismatch",
    "QuotaExceeded",
    "RateLimit",
    "ResendClient",
    "ResendFailure",
    "RetrievedEmail",
    "SenderRefused",
    "SurelyNotSent",
    "Throttled",
]
