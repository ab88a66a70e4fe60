"""What the admin pages of this room have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

from apps.brands import rights
from apps.brands.admin.bases import ModelAdmin
from apps.brands.admin.pages import PagesAdmin
from apps.brands.admin.scoped import EstimatedPaginator, ReadOnlyAdmin
from apps.brands.rights import Right

if TYPE_CHECKING:
    from django.db.models import Model
    from django.http import HttpRequest


class TextsAdmin(PagesAdmin):
    folder = "sms"


class TextLogAdmin(ReadOnlyAdmin):
    """A log without pages of its own rows: the list says it all."""

    list_display_links = None
    sortable_by = ()
    actions = None


class StationWideAdmin(ModelAdmin):
    """What holds for all brands: seen by all who may view any, changed by superusers."""

    paginator = EstimatedPaginator
    show_full_result_count = False

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_view_permission(self, request: HttpRequest, _obj: Model | None = None) -> bool:
        return self._rules(request) or bool(rights.brand_ids(request.user, Right.VIEW))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self._rules(request)

    def has_change_permission(self, request: HttpRequest, _obj: Model | None = None) -> bool:
        return self._rules(request)

    def has_delete_permission(self, request: HttpRequest, _obj: Model | None = None) -> bool:
        return self._rules(request)

    def _rules(self, request: HttpRequest) -> bool:
        return request.user.is_active and bool(getattr(request.user, "is_superuser", False))
