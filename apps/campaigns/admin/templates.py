"""Templates: listed, and written beside their preview like a campaign's content."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.http import Http404, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.views import View

from apps.brands.acting import user_actor
from apps.brands.admin.scoped import BrandFilter, BrandScopedAdmin
from apps.brands.models import Sender
from apps.campaigns import drafting, previewing, starters
from apps.campaigns.admin.contents import ContentForm, made, people_answer, preview_answer
from apps.campaigns.admin.pages import REFUSALS
from apps.campaigns.models import Campaign
from apps.campaigns.previewing import Texts
from apps.mail.models import Template

if TYPE_CHECKING:
    from django.db.models import Model
    from django.http import HttpRequest, HttpResponse
    from django.http.response import HttpResponseBase
    from django.urls import URLPattern


@admin.register(Template)
class TemplateAdmin(BrandScopedAdmin):
    """What was launched keeps its own copy: writing on changes drafts only."""

    list_display = ("slug", "subject", "brand", "updated_at")
    list_filter = (BrandFilter,)
    list_select_related = ("brand",)
    search_fields = ("slug", "subject")
    ordering = ("brand__name", "slug")
    fields = ("brand", "slug", "subject", "html", "text")
    actions = None

    def get_urls(self) -> list[URLPattern]:
        return [
            self._page("change/", TemplatePage, "change"),
            self._page("preview/", TemplatePreview, "preview"),
            self._page("people/", TemplatePeople, "people"),
            *super().get_urls(),
        ]

    def _page(self, route: str, view: type[TemplateView], name: str) -> URLPattern:
        return path(
            f"<int:template_id>/{route}",
            self.admin_site.admin_view(view.as_view(desk=self)),
            name=f"mail_template_{name}",
        )

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """A new one begins with a letter that has all that the law asks for."""
        given = super().get_changeform_initial_data(request)
        return {"subject": starters.SUBJECT, "html": starters.HTML, **given}

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Not while a campaign needs it."""
        if isinstance(obj, Template) and Campaign.objects.filter(template=obj).exists():
            return False
        return super().has_delete_permission(request, obj)


class TemplateView(View):
    """A page of one template; a POST that writes needs the right to edit."""

    desk: Any = None
    template: Template

    def dispatch(
        self, request: HttpRequest, *args: Any, template_id: int, **kwargs: Any
    ) -> HttpResponseBase:
        found = self.desk.get_queryset(request).select_related("brand")
        template = found.filter(pk=template_id).first()
        if template is None:
            raise Http404(f"There is no template {template_id}.")
        self.template = template
        return super().dispatch(request, *args, **kwargs)

    @property
    def sender(self) -> Sender:
        """Whose name the preview shows: the brand's default sender, or one that stands for it."""
        brand = self.template.brand
        default = Sender.objects.filter(brand=brand, is_default=True).select_related("brand")
        return default.first() or Sender(brand=brand, name=brand.name, email="sender@invalid")


class TemplatePage(TemplateView):
    """`<id>/change/`."""

    def get(self, _request: HttpRequest) -> HttpResponse:
        texts = Texts(self.template.subject, self.template.html, self.template.text)
        return self._show(ContentForm(initial=asdict(texts)), texts)

    def post(self, request: HttpRequest) -> HttpResponse:
        self.desk.require(request, self.desk.change_right, self.template)
        form = ContentForm(request.POST)
        if not form.is_valid():
            return self._show(form, None)
        texts = form.texts()
        try:
            drafting.write_template(
                brand=self.template.brand,
                slug=self.template.slug,
                actor=user_actor(request.user),
                **asdict(texts),
            )
        except REFUSALS as refusal:
            form.add_error(None, str(refusal))
            return self._show(form, texts)
        messages.success(request, "Saved.")
        return HttpResponseRedirect(reverse("admin:mail_template_change", args=[self.template.pk]))

    def _show(self, form: ContentForm, texts: Texts | None) -> HttpResponse:
        template = self.template
        person = next(iter(previewing.find_people(brand_id=template.brand_id, prefix="")), None)
        context = {
            **self.desk.admin_site.each_context(self.request),
            "opts": self.desk.opts,
            "title": template.slug,
            "template": template,
            "form": form,
            "person": person,
            "preview": made(texts, self.sender, template.slug, person) if texts else None,
            "clipped_from_kb": previewing.CLIPPED_FROM_KB,
            "may_edit": self.desk.has_change_permission(self.request, template),
            "may_delete": self.desk.has_delete_permission(self.request, template),
            "campaigns": list(Campaign.objects.filter(template=template).order_by("-pk")[:10]),
        }
        return TemplateResponse(self.request, "admin/campaigns/template.html", context)


class TemplatePreview(TemplateView):
    http_method_names = ["post"]

    def post(self, request: HttpRequest) -> HttpResponse:
        return preview_answer(request, self.sender, self.template.slug)


class TemplatePeople(TemplateView):
    def get(self, request: HttpRequest) -> HttpResponse:
        return people_answer(request, self.template.brand_id)
