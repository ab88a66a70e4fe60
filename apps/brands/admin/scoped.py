"""The base of every page in admin: only rows of brands that the user may see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.contrib.admin import ShowFacets, SimpleListFilter
from django.db.models import Q
from django.http import HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse

from apps.brands import rights
from apps.brands.admin.bases import ModelAdmin, TabularInline
from apps.brands.admin.paging import EstimatedPaginator
from apps.brands.models import Brand
from apps.brands.rights import Right

if TYPE_CHECKING:
    from django.db.models import ForeignKey, Model, QuerySet
    from django.forms import ModelChoiceField, ModelForm
    from django.http import HttpRequest, HttpResponse

__all__ = [
    "BrandFilter",
    "BrandScopedAdmin",
    "BrandScopedInline",
    "EstimatedPaginator",
    "ReadOnlyAdmin",
]


def brand_of(row: Model, path: str) -> int | None:
    """The brand's id at the end of a look-up path such as `campaign__brand_id`."""
    end: Any = row
    for name in path.split("__"):
        end = end and getattr(end, name)
    return end or None


class BrandFilter(SimpleListFilter):
    """By brand; offers only those whose rows the user may see."""

    title = "brand"
    parameter_name = "of_brand"

    def __init__(
        self, request: HttpRequest, params: dict[str, Any], model: type[Model], model_admin: Any
    ) -> None:
        super().__init__(request, params, model, model_admin)
        self._path = model_admin.brand_lookup

    def lookups(self, request: HttpRequest, _model_admin: Any) -> list[tuple[str, str]]:
        seen = rights.brand_ids(request.user, Right.VIEW)
        brands = Brand.objects.filter(pk__in=seen).order_by("name")
        return [(str(pk), name) for pk, name in brands.values_list("pk", "name")]

    def queryset(self, _request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        chosen = self.value()
        if chosen is None:
            return queryset
        known = {value for value, _ in self.lookup_choices}
        return queryset.filter(**{self._path: int(chosen)}) if chosen in known else queryset.none()


class BrandScopedAdmin(ModelAdmin):
    """Rows of the brands that the user may view; changed by those who hold `change_right`.

    Rights are grants (see `apps.brands.rights`); Django's own permissions are not asked.
    """

    brand_lookup = "brand_id"  # the path from the model to its brand: "campaign__brand_id"
    change_right = Right.EDIT  # to add, change and delete
    sees_brandless = False  # whether rows without a brand are shown to all who may view any
    paginator = EstimatedPaginator
    show_full_result_count = False
    show_facets = ShowFacets.NEVER  # they count every choice of every filter
    list_per_page = 50

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request)
        return self.limited(rows, request, Right.VIEW)

    def limited(self, rows: QuerySet[Any], request: HttpRequest, right: Right) -> QuerySet[Any]:
        """The rows of brands on which the user holds the right; a superuser's are not filtered."""
        if self.is_superuser(request):
            return rows
        brands = rights.brand_ids(request.user, right)
        seen = Q(**{f"{self.brand_lookup}__in": brands})
        if self.sees_brandless and brands:
            seen |= Q(**{f"{self.brand_lookup.removesuffix('_id')}__isnull": True})
        return rows.filter(seen)

    def allows(self, request: HttpRequest, right: Right, row: Model | None = None) -> bool:
        """Whether the user holds the right on the row's brand, or without a row on any brand.

        On a row without a brand only a superuser may do more than look.
        """
        user = request.user
        if row is None:
            return self.is_superuser(request) or bool(rights.brand_ids(user, right))
        brand_id = brand_of(row, self.brand_lookup)
        if brand_id is not None:
            return rights.holds(user, right, brand_id=brand_id)
        brandless = self.sees_brandless and right == Right.VIEW
        return self.is_superuser(request) or (brandless and bool(rights.brand_ids(user, right)))

    def require(self, request: HttpRequest, right: Right, row: Model) -> None:
        """Raises `rights.RightMissingError`: for the pages below a row's own."""
        brand_id = brand_of(row, self.brand_lookup)
        if brand_id is not None:
            rights.require(request.user, right, brand_id=brand_id)
        elif not self.allows(request, right, row):
            raise rights.RightMissingError(f"You need to be a superuser for {right.label} here.")

    def history_view(
        self, request: HttpRequest, object_id: str, _extra_context: Any = None
    ) -> HttpResponse:
        """What the audit log tells of the row; Django's own history knows only its own forms."""
        self.require(
            request, Right.VIEW, get_object_or_404(self.get_queryset(request), pk=object_id)
        )
        wanted = {"table_name": self.opts.db_table, "object_id": object_id}
        log = reverse("admin:brands_auditentry_changelist")
        return HttpResponseRedirect(f"{log}?{urlencode(wanted)}")

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self.allows(request, Right.VIEW, obj)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.allows(request, self.change_right)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self.allows(request, self.change_right, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self.allows(request, self.change_right, obj)

    def save_model(
        self,
        request: HttpRequest,
        obj: Any,
        form: ModelForm[Any],
        change: bool,  # noqa: FBT001 - Django's signature
    ) -> None:
        # The row may have been given another brand, or be one of several changed in a list.
        self.require(request, self.change_right, obj)
        super().save_model(request, obj, form, change)

    def formfield_for_foreignkey(
        self, db_field: ForeignKey[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> ModelChoiceField[Any] | None:
        field: ModelChoiceField[Any] | None = super().formfield_for_foreignkey(
            db_field, request, **kwargs
        )
        if field is not None and field.queryset is not None:
            field.queryset = self._choices(field.queryset, request)
        return field

    def _choices(self, rows: QuerySet[Any], request: HttpRequest) -> QuerySet[Any]:
        if self.is_superuser(request):
            return rows
        if rows.model is Brand:
            return rows.filter(pk__in=rights.brand_ids(request.user, self.change_right))
        if self.admin_site.is_registered(rows.model):
            page = self.admin_site.get_model_admin(rows.model)
            if isinstance(page, BrandScopedAdmin):
                return page.limited(rows, request, Right.VIEW)
        if hasattr(rows.model, "brand"):
            return rows.filter(brand_id__in=rights.brand_ids(request.user, Right.VIEW))
        return rows

    def is_superuser(self, request: HttpRequest) -> bool:
        return request.user.is_active and bool(getattr(request.user, "is_superuser", False))


class ReadOnlyAdmin(BrandScopedAdmin):
    """Logs, and rows that only services change: looked at, never edited here."""

    def has_add_permission(self, _request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, _request: HttpRequest, _obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, _request: HttpRequest, _obj: Model | None = None) -> bool:
        return False


class BrandScopedInline(TabularInline):
    """Rows below a page of a `BrandScopedAdmin`: may be changed where the page itself may."""

    extra = 0

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return bool(self._page.has_view_permission(request, obj))

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self.has_change_permission(request, obj)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        page = self._page
        return bool(
            page.has_change_permission(request, obj) if obj else page.has_add_permission(request)
        )

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self.has_change_permission(request, obj)

    @property
    def _page(self) -> Any:
        return self.admin_site.get_model_admin(self.parent_model)
