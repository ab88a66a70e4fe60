"""Topics: what a brand writes about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList

from apps.brands.admin.scoped import BrandFilter, BrandScopedAdmin
from apps.contacts.counting import count_opt_ins
from apps.contacts.models import Topic

if TYPE_CHECKING:
    from django.http import HttpRequest


class TopicChangeList(ChangeList):
    """Counts for the page's topics at once."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        page: list[Any] = list(self.result_list)
        counts = count_opt_ins([one.pk for one in page])
        for topic in page:
            topic.opt_ins = counts[topic.pk]
        self.result_list = page


@admin.register(Topic)
class TopicAdmin(BrandScopedAdmin):
    list_display = ("name", "brand", "slug", "is_public", "opted_in")
    list_filter = (BrandFilter, "is_public")
    list_select_related = ("brand",)
    search_fields = ("name", "slug")
    ordering = ("brand__name", "name")
    fields = ("brand", "name", "slug", "description", "is_public", "opted_in", "created_at")
    readonly_fields = ("opted_in", "created_at")
    actions = None

    @admin.display(description="opted in")
    def opted_in(self, topic: Any) -> str:
        if topic.pk is None:
            return "nobody yet"
        known = getattr(topic, "opt_ins", None)
        return str(known or count_opt_ins([topic.pk])[topic.pk])

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[TopicChangeList]:  # noqa: ARG002
        return TopicChangeList

    def get_readonly_fields(self, request: HttpRequest, obj: Topic | None = None) -> list[Any]:
        # Imports, API callers and audiences name a topic by brand and slug.
        settled = ["brand", "slug"] if obj else []
        return [*settled, *super().get_readonly_fields(request, obj)]

    def get_prepopulated_fields(
        self, _request: HttpRequest, obj: Topic | None = None
    ) -> dict[str, Any]:
        return {} if obj else {"slug": ("name",)}

    def has_delete_permission(self, _request: HttpRequest, _obj: Any = None) -> bool:
        return False  # consent records point to it for ever
