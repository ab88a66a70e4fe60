"""Lists with pages of their own below them, in the admin's frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.http import Http404
from django.template.response import TemplateResponse

from apps.brands.admin.scoped import BrandScopedAdmin
from apps.brands.rights import Right

if TYPE_CHECKING:
    from django.db.models import Model
    from django.http import HttpRequest


class PagesAdmin(BrandScopedAdmin):
    """A list by Django, and below it pages of our own.

    `folder` is where their templates lie below `admin/`; without one, `<app>/<model>`.
    """

    folder = ""

    def page(
        self,
        request: HttpRequest,
        template: str,
        *,
        title: str,
        row: Model | None = None,
        **context: Any,
    ) -> TemplateResponse:
        folder = self.folder or f"{self.opts.app_label}/{self.opts.model_name}"
        return TemplateResponse(
            request,
            f"admin/{folder}/{template}",
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
        """The name of an address below this list: `contacts_contact_erase`."""
        return f"{self.opts.app_label}_{self.opts.model_name}_{page}"
