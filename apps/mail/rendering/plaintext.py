"""The text part of a mail, made from its HTML.

It works on templates as well as on finished mails. Placeholders of Liquid tags pass through, and
where the space around one depends on what it prints, a mark is left that `tidy` writes out in
each mail. Marks are looked for in every mail, so only they are: that is five times as fast as
looking for spaces.
"""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

from apps.mail.rendering.markup import VOID_ELEMENTS, Attribute, Kind, Piece, scan
from apps.mail.rendering.tags import OPEN, PLACEHOLDER, SHUT, STATEFUL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from apps.mail.rendering.tags import LiquidTag

# Space that is wanted but not yet written: a new line, a blank line, a gap between cells, a
# space, a line break of the author's; and a space that is written as it stands.
_LINE, _PARAGRAPH, _CELL, _SPACE, _BREAK, _HARD = "\uee82\uee83\uee84\uee85\uee86\uee87"

_DROPPED = frozenset(
    ("head", "title", "style", "script", "template", "noscript", "object", "svg", "math", "select",
     "xmp", "iframe", "noembed", "noframes", "audio", "video", "canvas", "map")
)  # fmt: skip
_HEAD_ELEMENTS = frozenset(
    ("title", "meta", "link", "base", "style", "script", "template", "noscript")
)
_PARAGRAPHS = frozenset(
    ("p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "dl", "table", "blockquote", "pre",
     "figure", "center")
)  # fmt: skip
_LINES = frozenset(
    ("div", "tr", "li", "dt", "dd", "section", "article", "header", "footer", "main", "aside",
     "nav", "address", "caption", "thead", "tbody", "tfoot", "form", "fieldset", "body", "html",
     "figcaption", "option")
)  # fmt: skip
_MAX_INDENT = 8
_HIDING = re.compile(r"(?:^|;)\s*(?:display\s*:\s*none|mso-hide\s*:\s*all|visibility\s*:\s*hidden)")
# The beginning of a declaration whose value cannot hide an element.
_HARMLESS = re.compile(r"\s*(?!display|visibility|mso-hide)[\w-]+\s*:", re.IGNORECASE)
# What fills up a preview line: spaces and joiners without width, in any mixture.
_FILLER = re.compile("[\u00ad\u034f\u200b-\u200f\u2007\u2060\ufeff\u00a0 ]{2,}")
_INVISIBLE = re.compile("[\u00ad\u034f\u200b\u2060\ufeff]")
_BLANKS = re.compile("[ \t\r\n\f\u00a0]+")


class NotConvertibleError(Exception):
    """A Liquid tag stands where a template of the text part cannot take it over."""

    def __init__(self, tag: LiquidTag, reason: str) -> None:
        super().__init__(tag.source, reason)
        self.tag = tag
        self.reason = reason


def text_of(source: str, tags: Sequence[LiquidTag] = ()) -> str:
    """The text of HTML, for `tidy`. For a template, `tags` are those of its placeholders.

    Raises `NotConvertibleError`, only for templates.
    """
    return _Reading(source, tags).run()


class _Reading:
    def __init__(self, source: str, tags: Sequence[LiquidTag]) -> None:
        self.source = source
        self.tags = tags
        self.out: list[str] = []
        self.hidden: list[str] = []
        self.links: list[tuple[int, str]] = []
        self.lists: list[int | None] = []
        self.cells: list[bool] = []
        self.pre = 0
        self.at_bullet = False

    def run(self) -> str:
        for piece in scan(self.source):
            if piece.kind is Kind.TEXT:
                self._text(self.source[piece.start : piece.end])
            elif piece.kind is Kind.START:
                self._start(piece)
            elif piece.kind is Kind.END:
                self._end(piece.name)
            elif piece.name == "textarea":
                self._text(self.source[piece.start : piece.end])
            else:
                self._tags_only(self.source[piece.start : piece.end])
        while self.links:
            self._end_link()
        return "".join(self.out)

    def _text(self, text: str) -> None:
        if self.hidden:
            self._tags_only(text)
            return
        plain = html.unescape(text) if "&" in text else text
        if self.pre:
            self.out.append(plain.expandtabs(4).replace(" ", _HARD).replace("\n", _BREAK))
        else:
            self.out.append(_BLANKS.sub(" ", _FILLER.sub(_unfilled, plain)))
        self.at_bullet &= not plain.strip()

    def _tags_only(self, text: str) -> None:
        """From what is not shown: tags that decide something, because others may need them."""
        for number in PLACEHOLDER.findall(text) if self.tags else ():
            tag = self.tags[int(number)]
            if tag.name in STATEFUL:
                raise NotConvertibleError(tag, "changes what later tags print")
            if not tag.prints:
                self.out.append(f"{OPEN}{number}{SHUT}")

    def _check_attributes(self, piece: Piece) -> None:
        """Tags in attributes are left out, so nothing that is shown may depend on them."""
        for number in PLACEHOLDER.findall(self.source, piece.start, piece.end):
            tag = self.tags[int(number)]
            if tag.name in STATEFUL or tag.name == "assign":
                raise NotConvertibleError(tag, "changes what later tags print")
        for attribute in piece.attributes:
            self._check_hiding(attribute)

    def _check_hiding(self, attribute: Attribute) -> None:
        """Whether an element is shown must not depend on what is printed into its attributes."""
        for match in PLACEHOLDER.finditer(attribute.name):
            raise NotConvertibleError(self.tags[int(match[1])], "may hide an element")
        for match in PLACEHOLDER.finditer(attribute.value if attribute.name == "style" else ""):
            tag = self.tags[int(match[1])]
            declaration = attribute.value[: match.start()].rpartition(";")[2]
            if not tag.prints or not _HARMLESS.match(declaration):
                raise NotConvertibleError(tag, "may hide an element")

    def _start(self, piece: Piece) -> None:
        name = piece.name
        if self.tags:
            self._check_attributes(piece)
        if self.hidden == ["head"] and name not in _HEAD_ELEMENTS:
            # Browsers end a head that was left open, too.
            self.hidden.pop()
        if self.hidden:
            if name == self.hidden[-1] and name not in VOID_ELEMENTS:
                self.hidden.append(name)
            return
        if _is_hidden(piece):
            if name not in VOID_ELEMENTS:
                self.hidden.append(name)
            return
        self._open(piece)

    def _open(self, piece: Piece) -> None:
        name = piece.name
        if not self.at_bullet:
            self._break(name)
        if name == "a":
            self._start_link(piece)
        elif name == "img":
            self.out.append(html.unescape(_value(piece, "alt")))
        elif name == "br":
            self.out.append(_BREAK)
        elif name == "hr":
            self.out.append(f"{_PARAGRAPH}---{_PARAGRAPH}")
        elif name in ("ul", "ol"):
            self.lists.append(1 if name == "ol" else None)
        elif name == "li":
            self._bullet()
        elif name == "pre":
            self.pre += 1
        else:
            self._open_cell(name)

    def _open_cell(self, name: str) -> None:
        if name == "tr":
            self.cells.append(False)
        elif name in ("td", "th"):
            if self.cells and self.cells[-1]:
                self.out.append(_CELL)
            if self.cells:
                self.cells[-1] = True

    def _end(self, name: str) -> None:
        if self.hidden:
            if name == self.hidden[-1]:
                self.hidden.pop()
            return
        if name == "a":
            self._end_link()
        elif name in ("ul", "ol") and self.lists:
            self.lists.pop()
        elif name == "pre":
            self.pre = max(self.pre - 1, 0)
        elif name == "tr" and self.cells:
            self.cells.pop()
        self.at_bullet = False
        self._break(name)

    def _break(self, name: str) -> None:
        if name in _PARAGRAPHS:
            # Lists within lists and tables within cells only begin a new line.
            inner = (name in ("ul", "ol") and self.lists) or (name == "table" and self.cells)
            self.out.append(_LINE if inner else _PARAGRAPH)
        elif name in _LINES:
            self.out.append(_LINE)

    def _bullet(self) -> None:
        depth = min(max(len(self.lists) - 1, 0), _MAX_INDENT)
        number = self.lists[-1] if self.lists else None
        bullet = "- " if number is None else f"{number}. "
        if self.lists and number is not None:
            self.lists[-1] = number + 1
        self.out.append(_HARD * 2 * depth + bullet)
        # A paragraph in a list item begins behind the bullet.
        self.at_bullet = True

    def _start_link(self, piece: Piece) -> None:
        self._end_link()
        self.links.append((len(self.out), html.unescape(_value(piece, "href")).strip()))

    def _end_link(self) -> None:
        if not self.links:
            return
        start, url = self.links.pop()
        if not url or url.startswith("#") or url.lower().startswith("javascript:"):
            return
        label = _RUN.sub(" ", "".join(self.out[start:])).strip()
        if not label:
            self.out.append(url)
        elif _bare(self._alike(label)) != _bare(self._alike(url)):
            self.out.append(f" ({url})")

    def _alike(self, text: str) -> str:
        """Tags that print the same are the same here, wherever they stand."""
        if not self.tags:
            return text
        return PLACEHOLDER.sub(lambda match: self.tags[int(match[1])].source, text)


_MARKS = f"{_LINE}{_PARAGRAPH}{_CELL}{_SPACE}{_BREAK}"
_RUN = re.compile(f"[{_MARKS} \n]+")
# As `_RUN`, without the single spaces that stay as they are.
_UNSETTLED = re.compile(f"[{_MARKS} \\n]{{2,}}|[{_MARKS}\\n]|(?<={SHUT}) | (?={OPEN})")
_MARKED_RUN = re.compile(f"[{_MARKS}][{_MARKS} \n]*")
_GAP = _HARD * 2
_SCHEME = re.compile(r"^(?:https?://|mailto:|tel:)(.*?)/?$", re.IGNORECASE | re.DOTALL)


def _bare(text: str) -> str:
    """A label or URL for comparing them: “example.com” is a label for “https://example.com/”."""
    return _SCHEME.sub(r"\1", text.strip())


def _value(piece: Piece, name: str) -> str:
    found = piece.attribute(name)
    return _BLANKS.sub(" ", found.value) if found else ""


def _is_hidden(piece: Piece) -> bool:
    if piece.name in _DROPPED or piece.attribute("hidden"):
        return True
    style = piece.attribute("style")
    return style is not None and bool(_HIDING.search(style.value.lower()))


def _unfilled(match: re.Match[str]) -> str:
    run = match[0]
    return " " if _INVISIBLE.search(run) or run.isspace() or len(run) > 2 else run  # noqa: PLR2004


def plain_text(markup: str) -> str:
    """The text part of one finished mail. Raises `LimitReachedError`."""
    return tidy(settle(text_of(markup)))


def settle(marked: str) -> str:
    """Writes out the marks whose space does not depend on what a tag beside them prints."""
    return _UNSETTLED.sub(_settled, marked)


def tidy(settled: str) -> str:
    """Writes out the marks that are left, for one mail."""
    return _MARKED_RUN.sub(_written, settled).strip("\n ").replace(_HARD, " ")


def _settled(match: re.Match[str]) -> str:
    wanted = _wanted(match[0])
    before = match.string[match.start() - 1 : match.start()]
    after = match.string[match.end() : match.end() + 1]
    return wanted if before == SHUT or after == OPEN else _WRITTEN[wanted]


def _written(match: re.Match[str]) -> str:
    return _WRITTEN[_wanted(match[0])]


_WRITTEN = {_PARAGRAPH: "\n\n", _BREAK: "\n", _LINE: "\n", _CELL: _GAP, _SPACE: " "}


def _wanted(run: str) -> str:
    """The one mark that stands for a run of blanks and marks."""
    breaks = run.count(_BREAK) + run.count("\n")
    if _PARAGRAPH in run or breaks > 1:
        return _PARAGRAPH
    if breaks:
        return _BREAK
    if _LINE in run:
        return _LINE
    return _CELL if _CELL in run else _SPACE
