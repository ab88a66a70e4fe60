"""Resend: the official SDK over our own transport, and one table of what its errors mean."""

from apps.mail.resend.answers import BatchAccepted, RateLimit, RetrievedEmail
from apps.mail.resend.client import ResendClient
from apps.mail.resend.contacts import ContactCalls, ImportStatus, NewContact, Reply
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
    SurelyNotSent,
    Throttled,
)

__all__ = [
    "AccountRefused",
    "Ambiguous",
    "BatchAccepted",
    "BatchRefused",
    "CallNotOffered",
    "ContactCalls",
    "ContactExists",
    "ContactRefused",
    "ContactUnknown",
    "ImportStatus",
    "KeyInFlight",
    "KeyMismatch",
    "NewContact",
    "QuotaExceeded",
    "RateLimit",
    "Reply",
    "ResendClient",
    "ResendFailure",
    "RetrievedEmail",
    "SenderRefused",
    "SurelyNotSent",
    "Throttled",
]
