"""The side bar: what this operator may see, grouped as `settings.SIDEBAR` says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.conf import settings
from django.contrib import admin
from django.urls import reverse

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.http import HttpRequest

LIVE = ("production", "up")


def environment(_request: HttpRequest) -> list[str] | None:
    """A label in the header of stations that are no real ones."""
    return None if settings.ENVIRONMENT in LIVE else [settings.ENVIRONMENT, "warning"]


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """Groups of links in unfold's form; a group of which nothing may be seen is left out."""
    home = {"title": "Home", "icon": "home", "link": reverse("admin:index")}
    groups = [
        {"title": title, "items": list(_links(request, lines)), "separator": True}
        for title, lines in settings.SIDEBAR
    ]
    return [{"items": [home]}, *(group for group in groups if group["items"])]


def _links(request: HttpRequest, lines: Iterable[tuple[str, str, str]]) -> Iterable[dict[str, Any]]:
    for label, icon, title in lines:
        app, _, name = label.partition(".")
        model = apps.all_models[app].get(name.lower())
        if model is None or not admin.site.is_registered(model):
            continue
        if admin.site.get_model_admin(model).has_module_permission(request):
            link = reverse(f"admin:{app}_{name.lower()}_changelist")
            yield {"title": title, "icon": icon, "link": link}
