"""How people join a brand, the texts of its contact form, and caches that are to forget."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from unfold.decorators import display
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldAdminTextareaWidget

from apps.brands.acting import user_actor
from apps.brands.admin.bases import ModelForm
from apps.brands.admin.scoped import (
    BrandFilter,
    BrandScopedAdmin,
    BrandScopedInline,
    ReadOnlyAdmin,
)
from apps.brands.rights import Right
from apps.newsletter import contact_form
from apps.newsletter.models import (
    CacheInvalidation,
    ContactSubmission,
    JoiningRules,
    MailAction,
)
from apps.newsletter.models.joining import check_origin
from apps.newsletter.problems import NewsletterError

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.db.models import ForeignKey, QuerySet
    from django.forms import ModelChoiceField
    from django.http import HttpRequest

_OF_THE_BRAND = ("sender", "confirm_template", "welcome_template", "default_topics")
_TONES = {
    ContactSubmission.State.HELD: "warning",
    ContactSubmission.State.FORWARDED: "success",
    CacheInvalidation.State.DONE: "success",
    CacheInvalidation.State.DEAD: "danger",
}
_LABELS = {str(state.label): tone for state, tone in _TONES.items()}


class JoiningRulesForm(ModelForm):
    """The captcha's secret goes in and never comes out; left empty it stays as it is."""

    origins = forms.CharField(
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 4}),
        help_text="Pages that may ask without a key, one a line, such as https://www.example.com",
    )
    captcha_secret = forms.CharField(
        required=False,
        widget=UnfoldAdminPasswordWidget,
        help_text="Of Turnstile or a service of its form: with one, the contact form asks for a"
        " captcha. Kept encrypted and never shown again. Leave it empty to keep the present one.",
    )
    without_captcha = forms.BooleanField(
        required=False, help_text="Take the captcha's secret away: the contact form asks for none."
    )

    class Meta:
        model = JoiningRules
        fields = (
            "brand",
            "double_opt_in",
            "sender",
            "confirm_template",
            "welcome_template",
            "default_topics",
            "origins",
            "shows_count",
            "contact_forward_to",
            "captcha_secret",
        )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "origins" in self.fields:
            self.initial["origins"] = "\n".join(self.instance.origins)
        self.initial.pop("captcha_secret", None)
        for name in _OF_THE_BRAND:
            field: Any = self.fields.get(name)
            if field is not None and self.instance.pk:
                field.queryset = field.queryset.filter(brand=self.instance.brand_id)

    def clean_origins(self) -> list[str]:
        found = [one.rstrip("/").lower() for one in self.cleaned_data["origins"].split()]
        for origin in found:
            check_origin(origin)
        return sorted(set(found))

    def clean_captcha_secret(self) -> str:
        entered = str(self.cleaned_data["captcha_secret"]).strip()
        if self.data.get(self.add_prefix("without_captcha")):
            return ""
        return entered or str(self.instance.captcha_secret)

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or self.cleaned_data
        brand = data.get("brand")
        foreign = [one for one in data.get("default_topics") or () if one.brand != brand]
        if foreign:
            raise ValidationError({"default_topics": "Choose topics of the brand itself."})
        return data


class MailActionInline(BrandScopedInline):
    """What programs may name in X-Email-Action."""

    model = MailAction
    verbose_name_plural = "actions of X-Email-Action, and their templates"

    def formfield_for_foreignkey(
        self, db_field: ForeignKey[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> ModelChoiceField[Any] | None:
        field: ModelChoiceField[Any] | None = super().formfield_for_foreignkey(
            db_field, request, **kwargs
        )
        match = request.resolver_match
        rules = JoiningRules.objects.filter(
            pk=str(match.kwargs.get("object_id", 0) if match else 0)
        )
        if field is not None and field.queryset is not None and db_field.name == "template":
            field.queryset = field.queryset.filter(brand__in=rules.values("brand"))
        return field


@admin.register(JoiningRules)
class JoiningRulesAdmin(BrandScopedAdmin):
    """One row a brand. Actions are added once the row is there, for they choose its templates."""

    change_right = Right.ADMINISTER
    form = JoiningRulesForm
    list_display = ("brand", "double_opt_in", "welcome_template", "origins_shown", "has_captcha")
    list_filter = (BrandFilter,)
    list_select_related = ("brand", "welcome_template")
    ordering = ("brand__name",)
    filter_horizontal = ("default_topics",)
    fieldsets = (
        (None, {"fields": ("brand", "double_opt_in", "default_topics")}),
        ("Mails", {"fields": ("sender", "confirm_template", "welcome_template")}),
        ("Pages without a key", {"fields": ("origins", "shows_count")}),
        (
            "Contact form",
            {"fields": ("contact_forward_to", "captcha_secret", "without_captcha")},
        ),
    )

    def get_inlines(self, _request: HttpRequest, obj: JoiningRules | None = None) -> list[Any]:
        return [MailActionInline] if obj is not None else []

    def get_readonly_fields(
        self, _request: HttpRequest, obj: JoiningRules | None = None
    ) -> tuple[str, ...]:
        return ("brand",) if obj is not None else ()

    @admin.display(description="origins")
    def origins_shown(self, rules: JoiningRules) -> str:
        return ", ".join(rules.origins) or "none"

    @admin.display(description="captcha", boolean=True)
    def has_captcha(self, rules: JoiningRules) -> bool:
        return bool(rules.captcha_secret)


@admin.register(ContactSubmission)
class ContactSubmissionAdmin(ReadOnlyAdmin):
    """Held texts wait here for somebody to forward or to discard them."""

    list_display = ("created_at", "shown_state", "name", "email", "subject", "brand")
    list_filter = (BrandFilter, "state")
    list_select_related = ("brand",)
    search_fields = ("address__startswith",)
    search_help_text = "Beginning of an address."
    ordering = ("-pk",)
    actions = ("forward", "discard")
    fields = (
        "brand",
        "shown_state",
        "created_at",
        "name",
        "email",
        "subject",
        "message",
        "ip",
        "forwarded_at",
        "decided_by",
        "decided_at",
    )
    readonly_fields = ("shown_state",)

    @display(description="state", label=_LABELS)  # type: ignore[untyped-decorator]
    def shown_state(self, submission: ContactSubmission) -> str:
        return submission.get_state_display()

    @admin.action(description="Forward what was held")
    def forward(self, request: HttpRequest, rows: QuerySet[ContactSubmission]) -> None:
        self._decide(request, rows, contact_form.release, "forwarded")

    @admin.action(description="Discard what was held")
    def discard(self, request: HttpRequest, rows: QuerySet[ContactSubmission]) -> None:
        self._decide(request, rows, contact_form.discard, "discarded")

    def _decide(
        self,
        request: HttpRequest,
        rows: QuerySet[ContactSubmission],
        decide: Callable[..., None],
        done: str,
    ) -> None:
        actor, decided = user_actor(request.user), 0
        for submission in rows:
            self.require(request, Right.EDIT, submission)
            try:
                decide(submission_id=submission.pk, by=actor)
            except NewsletterError as error:
                self.message_user(request, f"{submission}: {error}", messages.WARNING)
            else:
                decided += 1
        self.message_user(request, f"{decided} {done}.")


@admin.register(CacheInvalidation)
class CacheInvalidationAdmin(ReadOnlyAdmin):
    """Those that were given up have a dead letter, which drives them again."""

    list_display = ("created_at", "shown_state", "shown_tags", "brand", "attempts", "last_error")
    list_filter = (BrandFilter, "state")
    list_select_related = ("brand",)
    ordering = ("-pk",)
    fields = (
        "brand",
        "shown_state",
        "shown_tags",
        "created_at",
        "due_at",
        "settled_at",
        "attempts",
        "last_error",
        "correlation_id",
    )
    readonly_fields = ("shown_state", "shown_tags")

    @display(description="state", label=_LABELS)  # type: ignore[untyped-decorator]
    def shown_state(self, row: CacheInvalidation) -> str:
        return row.get_state_display()

    @admin.display(description="tags")
    def shown_tags(self, row: CacheInvalidation) -> str:
        return ", ".join(row.tags)
