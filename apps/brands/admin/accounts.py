"""Provider accounts: their secrets go in here and never come out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.urls import reverse
from unfold.widgets import UnfoldAdminPasswordWidget

from apps.brands import accounts
from apps.brands.admin.bases import ModelForm
from apps.brands.admin.scoped import BrandScopedAdmin
from apps.brands.errors import BrandsError
from apps.brands.models import ProviderAccount
from apps.brands.rights import RightMissingError

if TYPE_CHECKING:
    from django.db.models import Model, QuerySet
    from django.http import HttpRequest

SECRETS = ("api_key", "webhook_secret")


class AccountForm(ModelForm):
    """A secret left empty stays as it is."""

    api_key = forms.CharField(
        label="API key",
        required=False,
        widget=UnfoldAdminPasswordWidget,
        help_text="Kept encrypted and never shown again. Leave it empty to keep the present one.",
    )
    webhook_secret = forms.CharField(
        required=False,
        widget=UnfoldAdminPasswordWidget,
        help_text="A new one is taken beside the present one, so that no webhook is refused.",
    )

    class Meta:
        model = ProviderAccount
        fields = ("kind", "name", *SECRETS)

    def clean_api_key(self) -> str:
        entered = str(self.cleaned_data["api_key"]).strip()
        if not entered and not self.instance.pk:
            raise forms.ValidationError("A new account needs its API key.")
        return entered or str(self.instance.api_key)

    def clean_webhook_secret(self) -> str:
        entered = str(self.cleaned_data["webhook_secret"]).strip()
        present = str(self.instance.webhook_secret or "")
        if entered and present and entered != present:
            self.instance.previous_webhook_secret = present
        return entered or present


@admin.register(ProviderAccount)
class ProviderAccountAdmin(BrandScopedAdmin):
    """Accounts belong to the whole installation: only superusers see this page."""

    form = AccountForm
    list_display = ("name", "kind", "rate_limit", "stopped_at", "stopped_reason")
    search_fields = ("name",)
    ordering = ("name",)
    readonly_fields = ("rate_limit", "stopped_at", "stopped_reason", "webhook_path")
    actions = ("stop", "start")

    def limited(self, rows: QuerySet[Any], request: HttpRequest, _right: Any) -> QuerySet[Any]:
        return rows if self.is_superuser(request) else rows.none()

    def allows(self, request: HttpRequest, _right: Any, _row: Model | None = None) -> bool:
        return self.is_superuser(request)

    def require(self, request: HttpRequest, right: Any, row: Model) -> None:
        if not self.allows(request, right, row):
            raise RightMissingError("Provider accounts are a superuser's business.")

    @admin.display(description="webhooks arrive at")
    def webhook_path(self, account: ProviderAccount) -> str:
        if not account.pk:
            return "known once it is saved"
        path = reverse("resend-webhook", args=[account.webhook_token])
        return f"{settings.PUBLIC_BASE_URL}{path}"

    @admin.action(description="Stop: nothing new is sent through it")
    def stop(self, request: HttpRequest, rows: QuerySet[ProviderAccount]) -> None:
        reason = f"stopped by hand by {request.user.get_username()}"
        for account in rows:
            try:
                accounts.stop(account_id=account.pk, reason=reason)
            except BrandsError as error:
                self.message_user(request, f"{account}: {error}", messages.WARNING)
            else:
                self.message_user(request, f"{account} is stopped.")

    @admin.action(description="Start again")
    def start(self, request: HttpRequest, rows: QuerySet[ProviderAccount]) -> None:
        for account in rows:
            try:
                waiting = accounts.start(account_id=account.pk)
            except BrandsError as error:
                self.message_user(request, f"{account}: {error}", messages.WARNING)
            else:
                paused = f" Still paused: {'; '.join(waiting)}." if waiting else ""
                self.message_user(request, f"{account} sends again.{paused}")
