"""Pages of this room below its lists, in the admin's own frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.http import Http404
from django.template.response import TemplateResponse

from apps.brands.acting import user_actor
from apps.brands.admin.scoped import BrandScopedAdmin
from apps.brands.rights import Right
from apps.contacts.models import ConsentSource
from apps.contacts.subscribing import Evidence
from apps.queues.correlation import correlation_id

if TYPE_CHECKING:
    from datetime import datetime

    from django.db.models import Model
    from django.http import HttpRequest


class PeopleAdmin(BrandScopedAdmin):
    """A list by Django, and below it pages of our own."""

    def page(
        self,
        request: HttpRequest,
        template: str,
        *,
        title: str,
        row: Model | None = None,
        **context: Any,
    ) -> TemplateResponse:
        return TemplateResponse(
            request,
            f"admin/contacts/{self.opts.model_name}/{template}",
            {
                **self.admin_site.each_context(request),
                "opts": self.opts,
                "original": row,
                "title": title,
                **context,
            },
        )

    def find(self, request: HttpRequest, object_id: str) -> Any:
        """The row, if the user may see it. Raises Http404."""
        found = self.get_object(request, object_id)
        if found is None or not self.allows(request, Right.VIEW, found):
            raise Http404(f"There is no {self.opts.verbose_name} {object_id}.")
        return found

    def name(self, page: str) -> str:
        """The name of an address below this list: `contacts_contact_erase`."""
        return f"{self.opts.app_label}_{self.opts.model_name}_{page}"


def actor(request: HttpRequest) -> str:
    if not request.user.is_authenticated:
        raise Http404
    return user_actor(request.user)


def evidence(request: HttpRequest, *, told: str, now: datetime) -> Evidence:
    """What an operator was told by the person, and which operator."""
    return Evidence(
        source=ConsentSource.OPERATOR,
        occurred_at=now,
        detail=actor(request),
        text_shown=told,
        correlation_id=correlation_id(),
    )
