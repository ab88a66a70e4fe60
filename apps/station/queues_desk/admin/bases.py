"""The base of pages about the whole installation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.http import HttpResponseNotAllowed
from django.template.response import TemplateResponse
from django.urls import path

from apps.brands import rights
from apps.brands.admin.scoped import ReadOnlyAdmin
from apps.brands.rights import Right, RightMissingError
from apps.station.queues_desk.covering import covers_all

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.db.models import Model, QuerySet
    from django.http import HttpRequest, HttpResponse
    from django.urls import URLPattern


def may_drive_all(request: HttpRequest) -> bool:
    """Whether the user may drive work again on every brand: then the installation's own too."""
    if getattr(request.user, "is_superuser", False) and request.user.is_active:
        return True
    return covers_all(rights.brand_ids(request.user, Right.REDRIVE))


class InstallationAdmin(ReadOnlyAdmin):
    """Seen by all who may view any brand; acted on by those who may drive work of every brand."""

    def limited(self, rows: QuerySet[Any], request: HttpRequest, right: Right) -> QuerySet[Any]:
        return rows if self.allows(request, right) else rows.none()

    def allows(self, request: HttpRequest, right: Right, _row: Model | None = None) -> bool:
        if right == Right.VIEW:
            return self.is_superuser(request) or bool(rights.brand_ids(request.user, right))
        return may_drive_all(request)

    def require_all(self, request: HttpRequest) -> None:
        """Raises `RightMissingError`."""
        if not may_drive_all(request):
            raise RightMissingError(
                "This is for the whole installation: you need the right “redrive” on every brand."
            )

    def page(self, route: str, view: Callable[..., HttpResponse], name: str) -> URLPattern:
        label = f"{self.opts.app_label}_{self.opts.model_name}_{name}"
        return path(route, self.admin_site.admin_view(view), name=label)

    def post_page(self, route: str, view: Callable[..., HttpResponse], name: str) -> URLPattern:
        """A button: nothing but POST is answered."""

        def posted(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if request.method != "POST":
                return HttpResponseNotAllowed(["POST"])
            return view(request, *args, **kwargs)

        return self.page(route, posted, name)

    def show(
        self, request: HttpRequest, template: str, *, title: str, **context: Any
    ) -> TemplateResponse:
        shared = self.admin_site.each_context(request)
        return TemplateResponse(
            request,
            f"admin/queues/{template}",
            {**shared, "opts": self.opts, "title": title, **context},
        )
