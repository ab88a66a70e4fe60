"""API keys: made, rotated, revoked; each token is shown once, on the page that answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.cache import add_never_cache_headers
from unfold.decorators import display
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from apps.brands import acting, keys
from apps.brands.admin.bases import ModelForm
from apps.brands.admin.scoped import BrandFilter, BrandScopedAdmin
from apps.brands.errors import BrandsError
from apps.brands.models import ApiKey, Scope
from apps.brands.rights import Right

if TYPE_CHECKING:
    from django.db.models import Model, QuerySet
    from django.http import HttpRequest, HttpResponse

    from apps.brands.keys import IssuedKey

_ISSUED = "_issued_key"


class ApiKeyForm(ModelForm):
    scopes = forms.MultipleChoiceField(
        choices=Scope.choices, widget=UnfoldAdminCheckboxSelectMultipleWidget
    )

    class Meta:
        model = ApiKey
        fields = ("brand", "name", "scopes", "expires_at")

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        ends = cleaned.get("expires_at")
        if ends is not None and ends <= timezone.now():
            self.add_error("expires_at", "Lies in the past.")
        same = ApiKey.objects.valid().filter(
            brand=cleaned.get("brand"), name=(cleaned.get("name") or "").strip()
        )
        if same.count() >= keys.VALID_AT_ONCE:
            self.add_error("name", "Two keys of this name are valid already: revoke one.")
        return cleaned


@admin.register(ApiKey)
class ApiKeyAdmin(BrandScopedAdmin):
    form = ApiKeyForm
    change_right = Right.ADMINISTER
    list_display = ("name", "prefix", "brand", "state", "expires_at", "last_used_at", "created_by")
    list_filter = (BrandFilter,)
    list_select_related = ("brand",)
    search_fields = ("name", "prefix")
    ordering = ("brand__name", "name", "-id")
    readonly_fields = ("prefix", "created_by", "created_at", "last_used_at", "revoked_at")
    actions = ("rotate", "revoke")

    @display(description="state", label={"valid": "success", "expired": "warning"})  # type: ignore[untyped-decorator]
    def state(self, key: ApiKey) -> str:
        if key.revoked_at is not None:
            return "revoked"
        expired = key.expires_at is not None and key.expires_at <= timezone.now()
        return "expired" if expired else "valid"

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        fields = ("brand", "name", "scopes", "expires_at")
        return fields if obj is None else (*fields, *self.get_readonly_fields(request, obj))

    def has_change_permission(self, _request: HttpRequest, _obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, _request: HttpRequest, _obj: Model | None = None) -> bool:
        return False  # what a key did stays explained

    def save_model(
        self,
        request: HttpRequest,
        obj: ApiKey,
        form: Any,  # noqa: ARG002 - Django's signature
        change: bool,  # noqa: ARG002, FBT001 - Django's signature
    ) -> None:
        self.require(request, self.change_right, obj)
        issued = keys.issue(
            brand=obj.brand,
            name=obj.name,
            scopes=obj.scopes,
            by=acting.user_actor(request.user),
            expires_at=obj.expires_at,
        )
        obj.pk = issued.key.pk
        setattr(request, _ISSUED, issued)

    def response_add(
        self,
        request: HttpRequest,
        obj: Model,  # noqa: ARG002 - Django's signature
        post_url_continue: str | None = None,  # noqa: ARG002 - Django's signature
    ) -> HttpResponse:
        return self._issued(request, getattr(request, _ISSUED))

    @admin.action(description="Rotate: make a successor")
    def rotate(self, request: HttpRequest, rows: QuerySet[ApiKey]) -> HttpResponse | None:
        if len(chosen := list(rows)) != 1:
            self.message_user(request, "Choose one key to rotate.", messages.WARNING)
            return None
        self.require(request, self.change_right, chosen[0])
        try:
            issued = keys.rotate(key_id=chosen[0].pk, by=acting.user_actor(request.user))
        except BrandsError as error:
            self.message_user(request, str(error), messages.WARNING)
            return None
        return self._issued(request, issued, old=chosen[0])

    @admin.action(description="Revoke: end it now")
    def revoke(self, request: HttpRequest, rows: QuerySet[ApiKey]) -> None:
        chosen = list(rows)
        for key in chosen:
            self.require(request, self.change_right, key)
        for key in chosen:
            try:
                keys.revoke(key_id=key.pk)
            except BrandsError as error:
                self.message_user(request, f"{key}: {error}", messages.WARNING)
            else:
                self.message_user(request, f"{key} is revoked.")

    def _issued(
        self, request: HttpRequest, issued: IssuedKey, old: ApiKey | None = None
    ) -> HttpResponse:
        """The token travels in this one page: not in a message, whose store is a cookie."""
        context = {
            **self.admin_site.each_context(request),
            "title": "A new API key",
            "opts": self.opts,
            "issued": issued,
            "old": old,
            "grace_days": keys.ROTATION_GRACE.days,
        }
        response = TemplateResponse(request, "admin/brands/apikey/issued.html", context)
        add_never_cache_headers(response)
        return response
