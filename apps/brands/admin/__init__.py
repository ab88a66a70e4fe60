"""The pages of this room in admin, and the base that the other rooms' pages stand on."""

from apps.brands.admin.accounts import ProviderAccountAdmin
from apps.brands.admin.audit_log import AuditEntryAdmin
from apps.brands.admin.brands import BrandAdmin, SenderAdmin
from apps.brands.admin.keys import ApiKeyAdmin
from apps.brands.admin.operators import GrantAdmin, OperatorAdmin

__all__ = [
    "ApiKeyAdmin",
    "AuditEntryAdmin",
    "BrandAdmin",
    "GrantAdmin",
    "OperatorAdmin",
    "ProviderAccountAdmin",
    "SenderAdmin",
]
