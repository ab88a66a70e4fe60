"""The page behind every unsubscribe link. GET shows it and changes nothing; POST unsubscribes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
from django.db import InterfaceError, OperationalError
from django.http import UnreadablePostError
from django.utils.translation import get_language
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from apps.contacts.models import ConsentSource
from apps.mail.links import InvalidLinkError
from apps.newsletter import leaving
from apps.newsletter.pages import render_line, render_page

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from apps.newsletter.leaving import Leaver

log = structlog.get_logger(__name__)

# RFC 8058's body is 26 bytes, as a form or as multipart; whatever comes behind it is not read.
BODY_READ_BYTES = 4096


@csrf_exempt  # mail clients have no cookies, and the link itself is what allows it
@require_http_methods(["GET", "HEAD", "POST"])
def unsubscribe(request: HttpRequest, token: str) -> HttpResponse:
    """Scanners follow links, so only a POST leaves. It is answered without a redirect."""
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


def _is_one_click(request: HttpRequest) -> bool:
    """Whether a mail client posted this by itself. Leaving never depends on the body."""
    try:
        body = request.read(BODY_READ_BYTES)
    except UnreadablePostError:
        return False
    return b"List-Unsubscribe" in body and b"One-Click" in body


def _page(template: str, leaver: Leaver) -> HttpResponse:
    return render_page(template, {"leaver": leaver}, locales=leaver.locales)


def _unknown_link(*, one_click: bool) -> HttpResponse:
    """Nothing is known but the language of the browser."""
    if one_click:
        return render_line("This link is not one of ours.", status=404)
    return render_page("public/unknown_link.html", {}, locales=[get_language() or ""], status=404)


def _later(error: Exception, *, one_click: bool) -> HttpResponse:
    log.error("unsubscribe_page_failed", error=type(error).__name__)
    if one_click:
        return render_line("Try again later.", status=503)
    return render_page("public/try_again.html", {}, locales=[get_language() or ""], status=503)
