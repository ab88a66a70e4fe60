"""Articles: from RSS, Atom or JSON to plain text that a template may print.

XML is read with expat itself, without document types, entities or anything from outside: what a
feed needs is far less than what XML can do.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit
from xml.parsers import expat

import orjson

from apps.newsletter.digests.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

TITLE_LENGTH = 300
SUMMARY_LENGTH = 400
URL_LENGTH = 1000
MOST_ARTICLES = 200
_DEEPEST = 60
_MOST_ELEMENTS = 100_000
_SPACE = re.compile(r"\s+")


@dataclass(frozen=True)
class Article:
    """Plain text throughout. `published_at` is ISO 8601, empty where it is not known."""

    title: str
    url: str
    summary: str = ""
    image_url: str = ""
    published_at: str = ""
    source: str = ""

    def to_json(self) -> dict[str, str]:
        return asdict(self)


def read_feed(body: bytes, *, base_url: str) -> list[Article]:
    """RSS 0.9 to 2.0 and Atom, in the order of the feed. Raises `SourceError`."""
    root = _parse_xml(body)
    if root.name not in ("rss", "feed", "RDF"):
        raise SourceError(f"The root element is {root.name[:40]}; expected rss, RDF or feed.")
    found = [one for one in root.walk() if one.name in ("item", "entry")]
    return _kept(_from_element(one, base_url) for one in found[:MOST_ARTICLES])


def read_json(body: bytes, *, base_url: str) -> list[Article]:
    """A JSON Feed, or a list of objects with title and url. Raises `SourceError`."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise SourceError("The answer is no JSON.") from None
    items = document.get("items") if isinstance(document, dict) else document
    if not isinstance(items, list):
        raise SourceError('Expected a list, or an object with a list as "items".')
    known = [one for one in items[:MOST_ARTICLES] if isinstance(one, dict)]
    return _kept(_from_object(one, base_url) for one in known)


def _kept(articles: Iterable[Article | None]) -> list[Article]:
    """Those with title and address, each address once."""
    by_url: dict[str, Article] = {}
    for article in articles:
        if article is not None:
            by_url.setdefault(article.url, article)
    return list(by_url.values())


def _article(**given: str) -> Article | None:
    title = plain(given["title"], TITLE_LENGTH)
    if not title or not given["url"]:
        return None
    return Article(
        title=title,
        url=given["url"],
        summary=plain(given["summary"], SUMMARY_LENGTH),
        image_url=given["image_url"],
        published_at=_moment(given["published_at"]),
    )


# --- JSON ---------------------------------------------------------------------------------------


def _from_object(item: Mapping[str, Any], base_url: str) -> Article | None:
    return _article(
        title=_first(item, "title", "name", "headline"),
        url=web_address(_first(item, "url", "external_url", "link"), base_url),
        summary=_first(item, "summary", "description", "content_text", "content_html"),
        image_url=web_address(_first(item, "image", "banner_image", "image_url"), base_url),
        published_at=_first(item, "date_published", "published_at", "date"),
    )


def _first(item: Mapping[str, Any], *names: str) -> str:
    return next((item[name] for name in names if isinstance(item.get(name), str)), "")


# --- XML ----------------------------------------------------------------------------------------


@dataclass
class _Element:
    name: str
    attributes: dict[str, str] = field(default_factory=dict)
    parts: list[str] = field(default_factory=list)
    children: list[_Element] = field(default_factory=list)

    @property
    def text(self) -> str:
        """Of this element and all below it."""
        return "".join(self.parts) + "".join(child.text for child in self.children)

    def walk(self) -> Iterable[_Element]:
        yield self
        for child in self.children:
            yield from child.walk()

    def first(self, *names: str) -> str:
        found = (one.text for name in names for one in self.children if one.name == name)
        return next((text for text in found if text.strip()), "")


class _Builder:
    def __init__(self) -> None:
        self.root: _Element | None = None
        self._open: list[_Element] = []
        self._count = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._count += 1
        if self._count > _MOST_ELEMENTS or len(self._open) >= _DEEPEST:
            raise SourceError("The feed has too many elements, or nests them too deeply.")
        element = _Element(name.rpartition(" ")[2], attributes)
        if self._open:
            self._open[-1].children.append(element)
        else:
            self.root = element
        self._open.append(element)

    def end(self, _name: str) -> None:
        self._open.pop()

    def text(self, text: str) -> None:
        if self._open:
            self._open[-1].parts.append(text)


def _refuse(*_: object) -> None:
    raise SourceError("The feed has a document type or entities of its own, which are not read.")


def _parse_xml(body: bytes) -> _Element:
    builder = _Builder()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = _refuse
    parser.EntityDeclHandler = _refuse
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.text
    try:
        parser.Parse(body, True)
    except (expat.ExpatError, LookupError) as error:
        raise SourceError(f"The answer is no XML: {str(error)[:100]}.") from None
    if builder.root is None:
        raise SourceError("The answer is empty.")
    return builder.root


def _from_element(item: _Element, base_url: str) -> Article | None:
    return _article(
        title=item.first("title"),
        url=web_address(_link(item), base_url),
        summary=item.first("description", "summary", "encoded", "content"),
        image_url=web_address(_image(item), base_url),
        published_at=item.first("pubDate", "published", "date", "updated"),
    )


def _link(item: _Element) -> str:
    """Atom has it in an attribute, RSS as text."""
    for child in item.children:
        if child.name == "link" and child.attributes.get("rel", "alternate") == "alternate":
            found = child.attributes.get("href") or child.text
            if found.strip():
                return found
    return ""


def _image(item: _Element) -> str:
    for child in item.walk():
        kind = child.attributes.get("type", "image") or child.attributes.get("medium", "")
        wanted = child.name in ("thumbnail", "enclosure", "content") and "url" in child.attributes
        if wanted and (child.name == "thumbnail" or kind.startswith("image")):
            return child.attributes["url"]
    return ""


# --- Text ---------------------------------------------------------------------------------------


class _Text(HTMLParser):
    """What of HTML is text."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, _attrs: object) -> None:
        self._hidden += tag in ("script", "style")
        self.found.append(" ")

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "style") and self._hidden:
            self._hidden -= 1
        self.found.append(" ")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.found.append(data)


def plain(html: str, length: int) -> str:
    """One line of text without markup, cut between words."""
    reader = _Text()
    reader.feed(html[:50_000])
    reader.close()
    shown = "".join(one if one.isprintable() else " " for one in "".join(reader.found))
    text = _SPACE.sub(" ", shown).strip()
    if len(text) <= length:
        return text
    return text[: length - 1].rsplit(" ", 1)[0].rstrip(" ,;:.") + "…"


def web_address(url: str, base_url: str) -> str:
    """Absolute, http or https; empty for everything else."""
    try:
        absolute = urljoin(base_url, url.strip()) if url.strip() else ""
        parts = urlsplit(absolute)
    except ValueError:
        return ""
    fits = parts.scheme in ("http", "https") and bool(parts.netloc) and len(absolute) <= URL_LENGTH
    return absolute if fits and absolute.isprintable() and " " not in absolute else ""


def _moment(text: str) -> str:
    """As feeds write dates: RFC 822 or ISO 8601; UTC where no zone is told."""
    given = text.strip()
    try:
        moment = datetime.fromisoformat(given)
    except ValueError:
        try:
            moment = parsedate_to_datetime(given)
        except (TypeError, ValueError, OverflowError):
            return ""
    try:
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC).isoformat()
    except OverflowError:
        return ""
