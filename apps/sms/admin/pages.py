"""Pages of this room below its lists, in the admin's own frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.http import Http404
from django.template.response import TemplateResponse

from apps.brands import rights
from apps.brands.admin.bases import ModelAdmin
from apps.brands.admin.scoped import BrandScopedAdmin, EstimatedPaginator, ReadOnlyAdmin
from apps.brands.rights import Right

if TYPE_CHECKING:
    from django.db.models import Model
    from django.http import HttpRequest


class TextsAdmin(BrandScopedAdmin):
    """A list by Django, and below it pages of our own."""

    def page(
        self,
        request: HttpRequest,
        template: str,
        *,
        title: str,
        row: Model | None = None,
        **context: Any,
    ) -> TemplateResponse:
        return TemplateResponse(
            request,
            f"admin/sms/{template}",
            {
                **self.admin_site.each_context(request),
                "opts": self.opts,
                "original": row,
                "title": title,
                **context,
            },
        )

    def find(self, request: HttpRequest, object_id: str) -> Any:
        """The row, if the user may see it. Raises Http404."""
        found = self.get_object(request, object_id)
        if found is None or not self.allows(request, Right.VIEW, found):
            raise Http404(f"There is no {self.opts.verbose_name} {object_id}.")
        return found

    def name(self, page: str) -> str:
        """The name of an address below this list: `sms_subscriber_erase`."""
        return f"{self.opts.app_label}_{self.opts.model_name}_{page}"


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
