from apps.brands.models.account import (
    ProviderAccount,
    ProviderAccountQuerySet,
    make_webhook_token,
)
from apps.brands.models.api_key import ApiKey, ApiKeyQuerySet, Scope
from apps.brands.models.audit_entry import AuditEntry
from apps.brands.models.brand import Brand, check_timezone
from apps.brands.models.grant import Grant, Right
from apps.brands.models.idempotent_answer import IdempotentAnswer
from apps.brands.models.sender import Sender

__all__ = [
    "ApiKey",
    "ApiKeyQuerySet",
    "AuditEntry",
    "Brand",
    "Grant",
    "IdempotentAnswer",
    "ProviderAccount",
    "ProviderAccountQuerySet",
    "Right",
    "Scope",
    "Sender",
    "check_timezone",
    "make_webhook_token",
]
