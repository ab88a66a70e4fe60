"""The audit log: who changed what, before and after."""

from __future__ import annotations

import difflib
import json
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.contrib import admin
from django.contrib.admin import SimpleListFilter
from django.db import connection
from django.db.models import OuterRef, Subquery
from django.utils.html import format_html, format_html_join

from apps.brands.admin.scoped import BrandFilter, ReadOnlyAdmin
from apps.brands.models import AuditEntry, Brand

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest
    from django.utils.safestring import SafeString

SHOWN_FIELDS = 6
ABSENT = object()

_CELL = '<td class="px-3 py-2 align-top whitespace-pre-wrap break-words">{}</td>'

_AUDITED_TABLES = """
SELECT tgrelid::regclass::text FROM pg_trigger
 WHERE tgfoid = 'brands_audit'::regproc ORDER BY 1
"""


def kind_name(table: str) -> str:
    """`campaign` for `campaigns_campaign`; a table without a model keeps its name."""
    for model in apps.get_models(include_auto_created=True):
        if model._meta.db_table == table:  # noqa: SLF001 - Django's documented model API
            return str(model._meta.verbose_name)  # noqa: SLF001
    return table


def _shown(before: Any, after: Any) -> SafeString:
    """Two cells side by side; of two long texts one cell with the lines that differ."""
    if isinstance(before, str) and isinstance(after, str) and "\n" in before + after:
        lines = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=2)
        cell = _CELL.replace("<td ", '<td colspan="2" ').replace("px-3", "font-mono px-3")
        return format_html(cell, "\n".join(list(lines)[2:]))
    return format_html(_CELL + _CELL, _text(before), _text(after))


def _text(value: Any) -> str:
    if value is ABSENT:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=1)


class KindFilter(SimpleListFilter):
    title = "kind"
    parameter_name = "table_name"

    def lookups(self, _request: HttpRequest, _model_admin: Any) -> list[tuple[str, str]]:
        with connection.cursor() as cursor:
            cursor.execute(_AUDITED_TABLES)
            tables = [table for (table,) in cursor.fetchall()]
        return sorted(((table, kind_name(table)) for table in tables), key=lambda one: one[1])

    def queryset(self, _request: HttpRequest, rows: QuerySet[Any]) -> QuerySet[Any]:
        return rows.filter(table_name=self.value()) if self.value() else rows


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    """Entries without a brand (operators, provider accounts) are for superusers."""

    list_display = ("at", "actor", "action", "kind", "object_id", "brand_name", "changed_fields")
    list_filter = (KindFilter, "action", BrandFilter)
    search_fields = ("actor", "object_id")
    search_help_text = "An id of an object, or how an actor begins: user:5, key:, command:import"
    ordering = ("-at", "-id")
    fields = ("at", "actor", "action", "kind", "object_id", "brand_name", "changes")
    readonly_fields = fields

    def get_search_results(
        self, _request: HttpRequest, rows: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        term = search_term.strip()
        if term.isdecimal():
            return rows.filter(object_id=term), False
        return (rows.filter(actor__startswith=term) if term else rows), False

    @admin.display(description="kind", ordering="table_name")
    def kind(self, entry: AuditEntry) -> str:
        return kind_name(entry.table_name)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        brand = Brand.objects.filter(pk=OuterRef("brand_id")).values("name")
        rows: QuerySet[Any] = super().get_queryset(request)
        named: QuerySet[Any] = rows.annotate(named_brand=Subquery(brand))
        return named

    @admin.display(description="brand")
    def brand_name(self, entry: Any) -> str:
        if entry.brand_id is None:
            return "all"
        return str(entry.named_brand or f"deleted ({entry.brand_id})")

    @admin.display(description="fields")
    def changed_fields(self, entry: AuditEntry) -> str:
        if entry.action != AuditEntry.Action.UPDATE:
            return ""
        names = sorted(entry.after or {})
        more = "…" if len(names) > SHOWN_FIELDS else ""
        return ", ".join(names[:SHOWN_FIELDS]) + more

    @admin.display(description="what changed")
    def changes(self, entry: AuditEntry) -> SafeString:
        before, after = entry.before or {}, entry.after or {}
        rows = (
            (name, _shown(before.get(name, ABSENT), after.get(name, ABSENT)))
            for name in sorted({*before, *after})
        )
        body = format_html_join(
            "",
            '<tr class="border-t border-base-200 dark:border-base-800">'
            '<th scope="row" class="px-3 py-2 text-left align-top">{}</th>{}</tr>',
            rows,
        )
        return format_html(
            '<div class="overflow-x-auto"><table class="w-full"><thead><tr class="text-left">'
            '<th class="px-3 py-2">field</th><th class="px-3 py-2">before</th>'
            '<th class="px-3 py-2">after</th></tr></thead><tbody>{}</tbody></table></div>',
            body,
        )
