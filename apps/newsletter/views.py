"""The pages behind the links in mails. GET shows one and changes nothing; POST does it.

Scanners follow links, mail clients have no cookies, and the link itself is what allows it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.http import UnreadablePostError
from django.urls import reverse
from django.utils.translation import get_language
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from apps.brands.api.clients import client_address
from apps.contacts.errors import UnknownContactError
from apps.contacts.models import ConsentSource
from apps.mail.links import InvalidLinkError, LinkTarget, Purpose, make_token
from apps.newsletter import confirming, leaving
from apps.newsletter import preferences as choosing
from apps.newsletter.pages import Reader, render_line, render_page
from apps.newsletter.problems import NoSenderError

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from apps.contacts.models import Contact
    from apps.newsletter.leaving import Leaver

log = structlog.get_logger(__name__)

# RFC 8058's body is 26 bytes, as a form or as multipart; whatever comes behind it is not read.
BODY_READ_BYTES = 4096


@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
def unsubscribe(request: HttpRequest, token: str) -> HttpResponse:
    """One click of a mail client, or the page for a person. Answered without a redirect."""
    one_click = request.method == "POST" and _is_one_click(request)
    try:
        leaver = leaving.identify(token)
        if request.method == "POST":
            source = ConsentSource.ONE_CLICK if one_click else ConsentSource.LINK
            leaving.leave(leaver.target, source=source)
    except InvalidLinkError:
        return _unknown_link(one_click=one_click)
    except (OperationalError, InterfaceError) as error:
        return _later(error, one_click=one_click)
    if one_click:
        return render_line("Unsubscribed.")
    left = leaver.has_left or request.method == "POST"
    return _page("public/unsubscribed.html" if left else "public/unsubscribe.html", leaver)


@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
def confirm(request: HttpRequest, token: str) -> HttpResponse:
    """The link of a double opt-in."""
    try:
        if request.method == "POST":
            found = confirming.confirm(token, ip=client_address(request))
        else:
            found = confirming.look(token)
    except InvalidLinkError:
        return _page_without_reader("public/unknown_confirmation.html", status=404)
    except (OperationalError, InterfaceError, NoSenderError) as error:
        return _later(error)
    return _page(
        f"public/confirm_{found.standing.value}.html",
        Reader.of(found.contact),
        preferences_path=_preferences_path(found.contact),
    )


@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
def preferences(request: HttpRequest, token: str) -> HttpResponse:
    """Topics, a pause, leaving and coming back."""
    done = ""
    try:
        found = choosing.look(token)
        if request.method == "POST":
            done = request.POST.get("do", "")
            choosing.change(found, _wish(found, done, request), ip=client_address(request))
            found = choosing.look(token)
    except (InvalidLinkError, UnknownContactError):
        return _page_without_reader("public/unknown_link.html", status=404)
    except (OperationalError, InterfaceError) as error:
        return _later(error)
    return _page(
        "public/preferences.html",
        Reader.of(found.contact),
        found=found,
        done=done,
        pause_days=settings.PAUSE_DAYS,
    )


def _wish(found: choosing.Preferences, do: str, request: HttpRequest) -> choosing.Wish:
    """What the pressed button stands for; nothing for one that the page does not have."""
    if do == "save":
        chosen = set(request.POST.getlist("topic"))
        return choosing.Wish(topics={one.slug: one.slug in chosen for one in found.topics})
    wishes = {
        "pause": choosing.Wish(paused=True),
        "resume": choosing.Wish(paused=False),
        "leave": choosing.Wish(subscribed=False),
        "join": choosing.Wish(subscribed=True),
    }
    return wishes.get(do, choosing.Wish())


def _preferences_path(contact: Contact) -> str:
    token = make_token(LinkTarget(contact.pk, 0, 0), Purpose.PREFERENCES)
    return reverse("preferences", args=[token])


def _is_one_click(request: HttpRequest) -> bool:
    """Whether a mail client posted this by itself. Leaving never depends on the body."""
    try:
        body = request.read(BODY_READ_BYTES)
    except UnreadablePostError:
        return False
    return b"List-Unsubscribe" in body and b"One-Click" in body


def _page(template: str, reader: Leaver | Reader, **context: object) -> HttpResponse:
    return render_page(template, {"leaver": reader, **context}, locales=reader.locales)


def _page_without_reader(template: str, *, status: int) -> HttpResponse:
    """Nothing is known but the language of the browser."""
    return render_page(template, {}, locales=[get_language() or ""], status=status)


def _unknown_link(*, one_click: bool) -> HttpResponse:
    if one_click:
        return render_line("This link is not one of ours.", status=404)
    return _page_without_reader("public/unknown_link.html", status=404)


def _later(error: Exception, *, one_click: bool = False) -> HttpResponse:
    log.error("public_page_failed", error=type(error).__name__)
    if one_click:
        return render_line("Try again later.", status=503)
    return _page_without_reader("public/try_again.html", status=503)
