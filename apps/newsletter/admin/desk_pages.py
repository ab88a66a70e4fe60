"""What the pages of digests and sequences below admin have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.http import Http404, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse

from apps.brands.acting import user_actor
from apps.brands.admin.bases import ModelForm
from apps.brands.admin.scoped import BrandScopedAdmin
from apps.brands.rights import Right
from apps.mail.errors import MailError
from apps.newsletter.digests.errors import DigestError
from apps.newsletter.sequences.errors import SequenceError

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.db.models import ManyToManyField, Model
    from django.forms import ModelMultipleChoiceField
    from django.http import HttpRequest, HttpResponse
    from django.http.response import HttpResponseBase
    from django.urls import URLPattern

# What services refuse, in words for the operator.
REFUSALS = (SequenceError, DigestError, MailError)
_LARGEST_ID = 2**63 - 1


def page_url(model: type[Model], pk: int, page: str) -> str:
    return reverse(f"admin:newsletter_{model.__name__.lower()}_{page}", args=[pk])


class OneBrandForm(ModelForm):
    """Refuses senders, templates and topics of another brand than the row's."""

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or self.cleaned_data
        brand = given.get("brand") or getattr(self.instance, "brand", None)
        for name in ("sender", "template"):
            chosen = given.get(name)
            if brand and chosen and chosen.brand_id != brand.pk:
                self.add_error(name, f"Is of another brand than {brand}.")
        if brand and any(topic.brand_id != brand.pk for topic in given.get("readers") or ()):
            self.add_error("readers", f"Choose topics of {brand} only.")
        return given


class DeskAdmin(BrandScopedAdmin):
    """Rows with pages of their own below `<id>/`; the list leads to the one named `home`."""

    home = ""
    parts: tuple[str, ...] = ()  # what the pages of one row read besides it
    actions = None
    list_display_links = None

    class Media:
        css = {"all": ("campaigns/desk.css", "newsletter/outgoing.css")}

    def formfield_for_manytomany(
        self, db_field: ManyToManyField[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> ModelMultipleChoiceField[Any] | None:
        field = super().formfield_for_manytomany(db_field, request, **kwargs)
        if field is not None and field.queryset is not None:
            field.queryset = self._choices(field.queryset, request)
        return field

    def found(self, request: HttpRequest, pk: int) -> Any:
        """The row, if the user may see it. Raises Http404."""
        rows = self.get_queryset(request).select_related(*self.parts)
        row = rows.filter(pk=pk).first() if pk <= _LARGEST_ID else None
        if row is None:
            raise Http404(f"There is no {self.opts.verbose_name} {pk}.")
        return row

    def page(self, route: str, view: Callable[..., HttpResponseBase], name: str = "") -> URLPattern:
        return path(
            f"<int:pk>/{route}/",
            self.admin_site.admin_view(view),
            name=f"{self._name}_{name or route}",
        )

    def url(self, pk: int, page: str = "") -> str:
        return page_url(self.model, pk, page or self.home)

    @property
    def _name(self) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}"

    def show(self, request: HttpRequest, template: str, row: Model, **context: Any) -> HttpResponse:
        rights = {
            f"may_{right.value}": self.allows(request, right, row)
            for right in (Right.EDIT, Right.LAUNCH)
        }
        return TemplateResponse(
            request,
            template,
            {
                **self.admin_site.each_context(request),
                "opts": self.opts,
                "title": str(row),
                "row": row,
                **rights,
                **context,
            },
        )

    def deed(
        self,
        request: HttpRequest,
        pk: int,
        right: Right,
        act: Callable[[Any, str], str],
        *,
        back: str = "",
    ) -> HttpResponse:
        """A POST that calls one service; what it says or refuses is told on the page `back`."""
        row = self.found(request, pk)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        self.require(request, right, row)
        try:
            messages.success(request, act(row, user_actor(request.user)))
        except REFUSALS as refusal:
            messages.error(request, str(refusal))
        return HttpResponseRedirect(self.url(pk, back))

    def response_add(
        self,
        request: HttpRequest,
        obj: Model,
        post_url_continue: str | None = None,  # noqa: ARG002 - Django's signature
    ) -> HttpResponse:
        messages.success(request, "Saved.")
        return HttpResponseRedirect(self.url(obj.pk))

    def response_change(self, request: HttpRequest, obj: Model) -> HttpResponse:
        messages.success(request, "Saved.")
        if "_continue" in request.POST:
            return HttpResponseRedirect(request.get_full_path())
        return HttpResponseRedirect(self.url(obj.pk))


class NamedDeskAdmin(DeskAdmin):
    """Rows with a slug of their brand, made from the name; both stay as they are from then on."""

    def get_readonly_fields(
        self,
        request: HttpRequest,  # noqa: ARG002 - Django's signature
        obj: Model | None = None,
    ) -> tuple[str, ...]:
        return ("brand", "slug") if obj else ()

    def get_prepopulated_fields(
        self,
        request: HttpRequest,  # noqa: ARG002 - Django's signature
        obj: Model | None = None,
    ) -> dict[str, Any]:
        return {} if obj else {"slug": ("name",)}
