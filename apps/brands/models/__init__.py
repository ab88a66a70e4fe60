from apps.brands.models.account import (
    ProviderAccount,
    ProviderAccountQuerySet,
    make_webhook_token,
)
from apps.brands.models.audit_entry import AuditEntry
from apps.brands.models.brand import Brand, check_timezone
from apps.brands.models.grant import Grant, Right
from apps.brands.models.sender import Sender

__all__ = [
    "AuditEntry",
    "Brand",
    "Grant",
    "ProviderAccount",
    "ProviderAccountQuerySet",
    "Right",
    "Sender",
    "check_timezone",
    "make_webhook_token",
]
