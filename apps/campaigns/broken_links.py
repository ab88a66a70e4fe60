"""Links that cannot work, found by looking at a finished mail; nobody is called."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

SHOWN_CHARACTERS = 80
_WITHOUT_HOST = frozenset({"mailto", "tel", "sms"})
_LINKS = {"a": "href", "area": "href", "img": "src"}
_TEMPLATE_SIGNS = ("{{", "}}", "{%", "%}", "%7B%7B", "%7D%7D")


def broken_links(html: str) -> dict[str, str]:
    """What is wrong, by link, in the order of the mail; `html` is a rendered mail."""
    found = {}
    for tag, link in _links(html):
        if fault := _fault(tag, link):
            found[_shown(link) or f"<{tag}> without an address"] = fault
    return found


def _links(html: str) -> Iterator[tuple[str, str]]:
    reader = _Reader()
    reader.feed(html)
    reader.close()
    yield from reader.links


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        name = _LINKS.get(tag)
        given = dict(attrs)
        if name and (name in given or tag == "img"):
            self.links.append((tag, (given.get(name) or "").strip()))


def _fault(tag: str, link: str) -> str:  # noqa: PLR0911 - one line for each fault
    """In words, "" where nothing is wrong."""
    if not link:
        return "is empty"
    if link.startswith("#"):
        return "leads nowhere: many mail programs ignore it" if link == "#" else ""
    if any(sign in link for sign in _TEMPLATE_SIGNS):
        return "still holds a template tag: something was not filled in"
    try:
        parts = urlsplit(link)
        host = parts.hostname
    except ValueError:
        return "is no address"
    if parts.scheme in _WITHOUT_HOST and tag != "img":
        return "" if parts.path else "has nobody to write to or call"
    if parts.scheme in ("cid", "data") and tag == "img":
        return ""
    if not parts.scheme:
        return "is relative: a mail has no page to start from; write https:// and the host"
    if parts.scheme not in ("http", "https"):
        return f"begins with {parts.scheme}:, which mail programs do not open"
    return _host_fault(host or "", link)


def _host_fault(host: str, link: str) -> str:
    if not host:
        return "has no host"
    if any(sign.isspace() for sign in link):
        return "has a space in it: write %20"
    if host == "localhost" or "." not in host.rstrip("."):
        return "leads to a host that only this computer knows"
    return ""


def _shown(link: str) -> str:
    return link if len(link) <= SHOWN_CHARACTERS else f"{link[:SHOWN_CHARACTERS]}…"
