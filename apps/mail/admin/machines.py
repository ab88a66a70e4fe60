"""How machines that open and click are known: for the whole installation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin

from apps.brands.admin.scoped import BrandScopedAdmin
from apps.brands.rights import RightMissingError
from apps.mail.models import MachineRule

if TYPE_CHECKING:
    from django.db.models import Model, QuerySet
    from django.http import HttpRequest


@admin.register(MachineRule)
class MachineRuleAdmin(BrandScopedAdmin):
    """Belongs to no brand: only superusers see this page.

    A change counts for events that come from then on.
    """

    list_display = ("name", "kind", "pattern", "within_seconds", "enabled", "source")
    list_filter = ("kind", "enabled")
    search_fields = ("name", "pattern")
    ordering = ("name", "kind", "pattern")
    fields = ("name", "kind", "pattern", "within_seconds", "source", "enabled")
    actions = None

    def limited(self, rows: QuerySet[Any], request: HttpRequest, _right: Any) -> QuerySet[Any]:
        return rows if self.is_superuser(request) else rows.none()

    def allows(self, request: HttpRequest, _right: Any, _row: Model | None = None) -> bool:
        return self.is_superuser(request)

    def require(self, request: HttpRequest, right: Any, row: Model) -> None:
        if not self.allows(request, right, row):
            raise RightMissingError("Rules about machines are a superuser's business.")
