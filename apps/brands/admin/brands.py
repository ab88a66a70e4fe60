"""Brands and their senders."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin

from apps.brands import registering, rights
from apps.brands.admin.scoped import BrandFilter, BrandScopedAdmin
from apps.brands.models import Brand, ProviderAccount, Sender
from apps.brands.rights import Right

if TYPE_CHECKING:
    from django.db.models import ForeignKey, Model, QuerySet
    from django.forms import ModelChoiceField
    from django.http import HttpRequest


@admin.register(Brand)
class BrandAdmin(BrandScopedAdmin):
    """New brands are a superuser's business; who administers one may change it."""

    brand_lookup = "pk"
    change_right = Right.ADMINISTER
    list_display = ("name", "slug", "timezone", "locale", "has_postal_address")
    search_fields = ("name", "slug")
    ordering = ("name",)

    @admin.display(description="postal address", boolean=True)
    def has_postal_address(self, brand: Brand) -> bool:
        return bool(brand.postal_address)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.is_superuser(request)

    def has_delete_permission(self, request: HttpRequest, _obj: Model | None = None) -> bool:
        return self.is_superuser(request)


@admin.register(Sender)
class SenderAdmin(BrandScopedAdmin):
    change_right = Right.ADMINISTER
    list_display = ("email", "name", "brand", "account", "is_default", "verified_at")
    list_filter = (BrandFilter,)
    list_select_related = ("brand", "account")
    search_fields = ("email", "name")
    ordering = ("brand__name", "email")
    readonly_fields = ("is_default", "verified_at")
    actions = ("make_default",)

    def formfield_for_foreignkey(
        self, db_field: ForeignKey[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> ModelChoiceField[Any] | None:
        field = super().formfield_for_foreignkey(db_field, request, **kwargs)
        if field is not None and db_field.name == "account" and not self.is_superuser(request):
            # Accounts belong to the installation: only those the operator's brands already use.
            brands = rights.brand_ids(request.user, self.change_right)
            used = Sender.objects.filter(brand_id__in=brands).values("account_id")
            field.queryset = ProviderAccount.objects.filter(pk__in=used)
        return field

    def save_model(
        self,
        request: HttpRequest,
        obj: Sender,
        form: Any,
        change: bool,  # noqa: FBT001 - Django's signature
    ) -> None:
        if not change:
            obj.is_default = not Sender.objects.filter(brand=obj.brand, is_default=True).exists()
        if {"email", "account"} & set(form.changed_data):
            obj.verified_at = None  # the provider is asked again before the next launch
        super().save_model(request, obj, form, change)

    @admin.action(description="Make the brand's default sender")
    def make_default(self, request: HttpRequest, senders: QuerySet[Sender]) -> None:
        chosen = list(senders)
        for sender in chosen:
            self.require(request, self.change_right, sender)
        for sender in chosen:
            registering.make_default(sender_id=sender.pk)
        self.message_user(request, f"Default: {', '.join(map(str, chosen))}.")
