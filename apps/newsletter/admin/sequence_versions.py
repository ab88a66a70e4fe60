"""Editing the steps and conditions of a draft; a published version is only looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin

from apps.brands.admin.bases import ModelForm, StackedInline, TabularInline
from apps.brands.rights import Right
from apps.newsletter.admin.desk_pages import DeskAdmin, page_url
from apps.newsletter.models import Sequence, SequenceRule, SequenceStep, SequenceVersion
from apps.newsletter.models.digests import Weekday

if TYPE_CHECKING:
    from django.db.models import ForeignKey, Model
    from django.forms import ModelChoiceField
    from django.http import HttpRequest


class StepForm(ModelForm):
    weekdays = forms.TypedMultipleChoiceField(
        choices=Weekday.choices,
        coerce=int,
        initial=[int(day) for day in Weekday],
        widget=forms.CheckboxSelectMultiple,
        help_text="Where they are.",
    )

    class Meta:
        model = SequenceStep
        fields = (
            "position",
            "name",
            "template",
            "wait",
            "wait_unit",
            "hour_from",
            "hour_until",
            "weekdays",
        )


class RuleForm(ModelForm):
    class Meta:
        model = SequenceRule
        fields = ("purpose", "kind", "topic", "tier", "event", "subject", "before_step")

    def clean(self) -> dict[str, Any]:
        """Takes away what the kind does not ask for, and asks for what it does."""
        given: dict[str, Any] = super().clean() or self.cleaned_data
        kind = given.get("kind", "")
        wanted = _WANTED.get(kind, ())
        for name in ("topic", "tier", "event", "subject"):
            if name not in wanted:
                given[name] = "" if name in ("event", "subject") else None
            elif name != "subject" and not given.get(name):
                self.add_error(name, "This condition needs it.")
        if given.get("purpose") != SequenceRule.Purpose.EXIT:
            given["before_step"] = None
        return given


_WANTED = {
    SequenceRule.Kind.TOPIC_IN: ("topic",),
    SequenceRule.Kind.TOPIC_OUT: ("topic",),
    SequenceRule.Kind.TIER_IS: ("tier",),
    SequenceRule.Kind.TIER_IS_NOT: ("tier",),
    SequenceRule.Kind.EVENT: ("event", "subject"),
}


class _OfDraft:
    """Changed where the version is a draft of a brand that the user may edit."""

    admin_site: Any
    brand_id: int | None = None

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        self.brand_id = obj.sequence.brand_id if obj else None
        return super().get_formset(request, obj, **kwargs)  # type: ignore[misc]

    def formfield_for_foreignkey(
        self, db_field: ForeignKey[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> ModelChoiceField[Any] | None:
        field: ModelChoiceField[Any] | None
        field = super().formfield_for_foreignkey(db_field, request, **kwargs)  # type: ignore[misc]
        if field is not None and field.queryset is not None:
            field.queryset = field.queryset.filter(brand_id=self.brand_id)
        return field

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(self._page.has_view_permission(request, obj))

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(obj is not None and self._page.has_change_permission(request, obj))

    has_add_permission = has_change_permission
    has_delete_permission = has_change_permission

    @property
    def _page(self) -> Any:
        return self.admin_site.get_model_admin(SequenceVersion)


class StepInline(_OfDraft, StackedInline):
    model = SequenceStep
    form = StepForm
    extra = 0
    verbose_name = "step"
    verbose_name_plural = "Steps"


class RuleInline(_OfDraft, TabularInline):
    model = SequenceRule
    form = RuleForm
    extra = 0
    verbose_name = "condition"
    verbose_name_plural = "Conditions"


@admin.register(SequenceVersion)
class SequenceVersionAdmin(DeskAdmin):
    brand_lookup = "sequence__brand_id"
    home = "change"
    inlines = (StepInline, RuleInline)
    fields = ("sequence", "number", "published_at", "published_by")
    readonly_fields = fields
    list_select_related = ("sequence__brand",)

    def response_change(self, request: HttpRequest, obj: Any) -> Any:
        """Back to the sequence, unless somebody goes on editing."""
        answer = super().response_change(request, obj)
        if "_continue" not in request.POST:
            answer["Location"] = page_url(Sequence, obj.sequence_id, "steps")
        return answer

    def has_add_permission(self, _request: HttpRequest) -> bool:
        return False  # made by the sequence's page, as a copy of the version before

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        if isinstance(obj, SequenceVersion) and not obj.is_draft:
            return False
        return super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        if not isinstance(obj, SequenceVersion) or not obj.is_draft:
            return False
        return self.allows(request, Right.EDIT, obj)
