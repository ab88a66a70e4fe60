"""Feature flags in admin: switched by those who may drive work again on every brand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import structlog
from django.contrib import admin
from waffle.models import Switch

from apps.brands.acting import user_actor
from apps.brands.rights import Right
from apps.queues.flags import FLAGS
from apps.station.queues_desk.admin.bases import InstallationAdmin

if TYPE_CHECKING:
    from django.db.models import Model
    from django.forms import ModelForm
    from django.http import HttpRequest

log = structlog.get_logger(__name__)


@admin.register(Switch)
class SwitchAdmin(InstallationAdmin):
    """Flags come with the code that asks for them: none is added or deleted here."""

    list_display = ("name", "active", "usual", "note", "modified")
    ordering = ("name",)
    fields = ("name", "active", "note", "modified")
    readonly_fields = ("name", "note", "modified")

    @admin.display(description="usual", boolean=True)
    def usual(self, switch: Switch) -> bool | None:
        return next((spec.default for flag, spec in FLAGS.items() if flag == switch.name), None)

    def has_change_permission(self, request: HttpRequest, _obj: Model | None = None) -> bool:
        return self.allows(request, Right.REDRIVE)

    def save_model(
        self,
        request: HttpRequest,
        obj: Any,
        form: ModelForm[Any],  # noqa: ARG002 - Django's signature
        change: bool,  # noqa: ARG002, FBT001 - Django's signature
    ) -> None:
        self.require_all(request)
        obj.save()
        log.warning("flag_switched", flag=obj.name, on=obj.active, by=user_actor(request.user))
