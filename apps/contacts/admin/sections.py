"""What a person's page shows besides what this room knows.

Rooms above register their sections from `AppConfig.ready`, so that nothing here imports them:

    register_section(
        Section(
            name="mail",
            title="Mail",
            template="admin/mail/person.html",
            context=persons.person_context,
        )
    )

`context` gets the request and the contact and returns what the template reads; the template sees
`contact` and `request` too, and brings no heading of its own. It is asked on every view of the
page, so it must take a constant number of queries, each by an index and with a LIMIT. Rights of
its own it checks itself: whoever sees the page may view the contact's brand, no more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.template.loader import render_to_string

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from django.http import HttpRequest
    from django.utils.safestring import SafeString

    from apps.contacts.models import Contact


@dataclass(frozen=True, slots=True)
class Section:
    """Sections stand by `order`, then by title. A context of None leaves the section out."""

    name: str
    title: str
    template: str
    context: Callable[[HttpRequest, Contact], Mapping[str, Any] | None]
    order: int = 100


@dataclass(frozen=True, slots=True)
class RenderedSection:
    name: str
    title: str
    body: SafeString


_sections: dict[str, Section] = {}


def register_section(section: Section) -> None:
    """A second one of the same name replaces the first."""
    _sections[section.name] = section


def render_sections(request: HttpRequest, contact: Contact) -> list[RenderedSection]:
    ordered = sorted(_sections.values(), key=lambda one: (one.order, one.title))
    return [
        RenderedSection(section.name, section.title, _render(section, request, contact, found))
        for section in ordered
        if (found := section.context(request, contact)) is not None
    ]


def _render(
    section: Section, request: HttpRequest, contact: Contact, found: Mapping[str, Any]
) -> SafeString:
    return render_to_string(section.template, {"contact": contact, **found}, request=request)
