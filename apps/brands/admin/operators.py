"""Operators and what each may do, brand by brand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.auth.models import Group, User
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from apps.brands.admin.bases import ModelAdmin, TabularInline, UserAdmin
from apps.brands.admin.scoped import BrandFilter, BrandScopedAdmin
from apps.brands.models import Grant
from apps.brands.rights import Right

if TYPE_CHECKING:
    from django.db.models import Model
    from django.forms import BaseModelFormSet, ModelForm
    from django.http import HttpRequest

# Rights are grants per brand: Django's groups and permissions would be a second, silent answer.
admin.site.unregister(User)
admin.site.unregister(Group)


class GrantInline(TabularInline):
    model = Grant
    fields = ("brand", "right", "granted_by", "granted_at")
    readonly_fields = ("granted_by", "granted_at")
    extra = 1


@admin.register(User)
class OperatorAdmin(UserAdmin, ModelAdmin):
    """For superusers, as Django's own permissions have it: nobody else is given any."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    inlines = (GrantInline,)
    list_display = (
        "username",
        "first_name",
        "last_name",
        "is_active",
        "is_superuser",
        "last_login",
    )
    list_filter = ("is_active", "is_superuser")
    filter_horizontal = ()
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        ("Person", {"fields": ("first_name", "last_name", "email")}),
        ("Access", {"fields": ("is_active", "is_staff", "is_superuser")}),
        ("Dates", {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets = ((None, {"fields": ("username", "password1", "password2", "is_staff")}),)

    def save_formset(
        self,
        request: HttpRequest,
        form: ModelForm[Any],
        formset: BaseModelFormSet[Any, Any],
        change: bool,  # noqa: FBT001 - Django's signature
    ) -> None:
        for one in formset.forms:
            if isinstance(one.instance, Grant) and one.has_changed():
                one.instance.granted_by = request.user.get_username()
        super().save_formset(request, form, formset, change)


@admin.register(Grant)
class GrantAdmin(BrandScopedAdmin):
    """Who administers a brand may let others work on it."""

    change_right = Right.ADMINISTER
    list_display = ("user", "brand", "right", "granted_by", "granted_at")
    list_filter = (BrandFilter, "right")
    list_select_related = ("user", "brand")
    search_fields = ("user__username",)
    ordering = ("user__username", "brand__name", "right")
    readonly_fields = ("granted_by", "granted_at")

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self.allows(request, Right.ADMINISTER, obj)

    def has_change_permission(self, _request: HttpRequest, _obj: Model | None = None) -> bool:
        return False  # a right is given or taken away

    def save_model(
        self,
        request: HttpRequest,
        obj: Grant,
        form: ModelForm[Any],
        change: bool,  # noqa: FBT001 - Django's signature
    ) -> None:
        obj.granted_by = request.user.get_username()
        super().save_model(request, obj, form, change)
