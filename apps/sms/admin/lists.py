"""Lists at the provider, and the history of their syncs."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.http import Http404, StreamingHttpResponse
from django.urls import path, reverse
from django.utils.html import format_html
from django.views.decorators.http import require_GET

from apps.brands.acting import user_actor
from apps.brands.admin.scoped import BrandFilter, ReadOnlyAdmin
from apps.brands.models import ProviderAccount
from apps.brands.rights import Right
from apps.sms.admin.pages import TextsAdmin
from apps.sms.listing import starting
from apps.sms.listing.errors import ListError
from apps.sms.listing.rejects import reject_rows
from apps.sms.models import ListSyncRun, OptInList

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.models import QuerySet
    from django.http import HttpRequest, HttpResponseBase
    from django.urls import URLPattern
    from django.utils.safestring import SafeString

_MEGABYTE = 1_000_000


@admin.register(OptInList)
class OptInListAdmin(TextsAdmin):
    list_display = ("list_id", "brand", "account", "keyword", "active", "last_sync", "result")
    list_filter = (BrandFilter, "active")
    list_select_related = ("brand", "account", "last_run")
    search_fields = ("list_id", "keyword")
    sortable_by = ("list_id", "brand")
    readonly_fields = ("last_sync", "result")
    actions = ("sync_now",)

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "account":
            kwargs["queryset"] = ProviderAccount.objects.filter(kind=ProviderAccount.Kind.LIME)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    @admin.display(description="last synced", empty_value="never")
    def last_sync(self, row: OptInList) -> object:
        return row.last_run.ended_at if row.last_run else None

    @admin.display(description="result")
    def result(self, row: OptInList) -> str:
        run = row.last_run
        if run is None:
            return ""
        return f"{run.verified:,} on it, {run.joined:,} joined, {run.left:,} left"

    @admin.action(description="Sync now")
    def sync_now(self, request: HttpRequest, rows: QuerySet[OptInList]) -> None:
        for row in self.limited(rows, request, Right.EDIT):
            try:
                starting.start(
                    opt_in_list_id=row.pk,
                    trigger=ListSyncRun.Trigger.OPERATOR,
                    by=user_actor(request.user),
                )
            except ListError as error:
                self.message_user(request, f"List {row.list_id}: {error}", messages.WARNING)
            else:
                self.message_user(request, f"List {row.list_id} is being synced.")


@admin.register(ListSyncRun)
class ListSyncRunAdmin(ReadOnlyAdmin):
    """The runs as they stand: reload to see how far one is."""

    brand_lookup = "opt_in_list__brand_id"
    list_display = (
        *("opt_in_list", "brand_shown", "state", "progress", "joined", "left", "kept_out"),
        *("would_leave", "rejects", "created_at", "ended_at"),
    )
    list_filter = (BrandFilter, "state", "trigger")
    list_select_related = ("opt_in_list__brand",)
    sortable_by = ()
    ordering = ("-pk",)
    actions = ("confirm",)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(require_GET(self.rejects_file))
        name = "sms_listsyncrun_rejects"
        return [path("<int:run_id>/rejects/", view, name=name), *super().get_urls()]

    @admin.display(description="brand")
    def brand_shown(self, row: ListSyncRun) -> str:
        return str(row.opt_in_list.brand)

    @admin.display(description="read")
    def progress(self, row: ListSyncRun) -> str:
        phase = f"{row.phase}: " if row.phase else ""
        return f"{phase}{row.records:,} people, {row.bytes_read / _MEGABYTE:,.1f} MB"

    @admin.display(description="rejected")
    def rejects(self, row: ListSyncRun) -> SafeString | str:
        if not row.rejected:
            return "0"
        url = reverse("admin:sms_listsyncrun_rejects", args=[row.pk])
        return format_html('<a href="{}">{}</a>', url, f"{row.rejected:,}")

    @admin.action(description="Yes, so many may leave")
    def confirm(self, request: HttpRequest, rows: QuerySet[ListSyncRun]) -> None:
        for row in self.limited(rows, request, Right.EDIT):
            try:
                starting.confirm(run_id=row.pk, by=user_actor(request.user))
            except ListError as error:
                self.message_user(request, f"{row}: {error}", messages.WARNING)
            else:
                self.message_user(request, f"{row.opt_in_list} is read again, and they leave.")

    def rejects_file(self, request: HttpRequest, run_id: int) -> HttpResponseBase:
        """The rejects as a CSV file; they hold numbers, so it is an export."""
        run = self.get_object(request, str(run_id))
        if run is None:
            raise Http404(f"There is no list sync {run_id}.")
        self.require(request, Right.EXPORT, run)
        return StreamingHttpResponse(
            _csv_lines(run),
            content_type="text/csv; charset=utf-8",
            headers={"content-disposition": f'attachment; filename="rejects-{run.pk}.csv"'},
        )


class _Line:
    """Hands each written line back, so that a file of any length streams."""

    def write(self, line: str) -> str:
        return line


def _csv_lines(run: ListSyncRun) -> Iterator[str]:
    writer = csv.writer(_Line())
    for row in reject_rows(run):
        yield writer.writerow(row)
