"""A reader for the HTML of mails that tells each piece's place.

So a source can be changed at a few places and stay as it was everywhere else. Tag soup is read as
browsers read it.
"""

from __future__ import annotations

import re
from enum import Enum, auto
from typing import TYPE_CHECKING, NamedTuple

from apps.mail.rendering.problems import LimitReachedError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# A newsletter of 100 KB has about 3,000.
MAX_PIECES = 30_000
MAX_DEPTH = 250
MAX_UNCLOSED_FORMATTING = 100

VOID_ELEMENTS = frozenset(
    ("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param",
     "source", "track", "wbr")
)  # fmt: skip
_RAW_TEXT_ELEMENTS = frozenset(
    ("style", "script", "title", "textarea", "xmp", "iframe", "noembed", "noframes")
)
# Elements that a browser opens again in each block after one that was left open.
_FORMATTING = frozenset(
    ("a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt",
     "u")
)  # fmt: skip
# A start tag of one of these ends an open one of the same group.
_SELF_ENDING = {
    "p": ("p",), "li": ("li",), "tr": ("tr", "td", "th"), "td": ("td", "th"), "th": ("td", "th"),
    "dt": ("dt", "dd"), "dd": ("dt", "dd"), "option": ("option",),
}  # fmt: skip


class Kind(Enum):
    TEXT = auto()
    START = auto()
    END = auto()
    COMMENT = auto()
    RAW = auto()


class Attribute(NamedTuple):
    """A written attribute; `value` without its quotes, `quote` is "" where there are none."""

    name: str
    value: str
    quote: str
    start: int
    end: int


class Piece(NamedTuple):
    """A stretch `[start, end)` of the source. `name` is an element's, in lower case."""

    kind: Kind
    start: int
    end: int
    name: str = ""
    attributes: tuple[Attribute, ...] = ()

    def attribute(self, name: str) -> Attribute | None:
        return next((one for one in self.attributes if one.name == name), None)


# Most tags: a name and nothing else.
_PLAIN_TAG = re.compile(r"<(/?)([a-zA-Z][^\s/>]*)>")
_TAG_NAME = re.compile(r"[a-zA-Z][^\s/>]*")
_ATTRIBUTE = re.compile(
    r"""[\s/]*([^\s/>][^\s/>=]*)(?:\s*=\s*(?:(")([^"]*)"|(')([^']*)'|()([^\s>"'][^\s>]*)))?"""
)
_TAG_END = re.compile(r"[\s/]*>")


def scan(source: str) -> Iterator[Piece]:
    """The pieces of a source; together they are the whole of it.

    Raises `LimitReachedError` for more pieces than any mail has.
    """
    at, count = 0, 0
    while at < len(source):
        count += 1
        if count > MAX_PIECES:
            raise LimitReachedError(
                f"has more than {MAX_PIECES:,} tags and texts between them; send less"
            )
        opening = source.find("<", at)
        piece = _markup_at(source, opening) if opening >= 0 else None
        if piece is None:
            # A lone “<” is text.
            following = source.find("<", opening + 1) if opening >= 0 else -1
            end = following if following >= 0 else len(source)
            yield Piece(Kind.TEXT, at, end)
            at = end
            continue
        if opening > at:
            yield Piece(Kind.TEXT, at, opening)
        yield piece
        at = piece.end
        if piece.kind is Kind.START and piece.name in _RAW_TEXT_ELEMENTS and at < len(source):
            end = _end_of_raw_text(source, at, piece.name)
            yield Piece(Kind.RAW, at, end, piece.name)
            at = end


def end_of_name(source: str, piece: Piece) -> int:
    """Where a start tag's name ends."""
    match = _TAG_NAME.match(source, piece.start + 1)
    return match.end() if match else piece.start + 1


def _markup_at(source: str, at: int) -> Piece | None:
    plain = _PLAIN_TAG.match(source, at)
    if plain:
        kind = Kind.END if plain[1] else Kind.START
        return Piece(kind, at, plain.end(), plain[2].lower())
    following = source[at + 1 : at + 2]
    if following == "!" and source.startswith("--", at + 2):
        return Piece(Kind.COMMENT, at, _after(source, "-->", at + 2))
    if following in ("!", "?"):
        return Piece(Kind.COMMENT, at, _after(source, ">", at + 2))
    if following == "/":
        return _end_tag(source, at)
    name = _TAG_NAME.match(source, at + 1)
    return _start_tag(source, at, name) if name else None


def _end_tag(source: str, at: int) -> Piece:
    name = _TAG_NAME.match(source, at + 2)
    end = _after(source, ">", at + 2)
    if name is None:
        return Piece(Kind.COMMENT, at, end)
    return Piece(Kind.END, at, end, name[0].lower())


def _start_tag(source: str, at: int, name: re.Match[str]) -> Piece:
    attributes: list[Attribute] = []
    position = name.end()
    while not (end := _TAG_END.match(source, position)):
        match = _ATTRIBUTE.match(source, position)
        if match is None:
            # The source ends within the tag; browsers drop such a tag.
            return Piece(Kind.COMMENT, at, len(source))
        attributes.append(_attribute(match))
        position = match.end()
    return Piece(Kind.START, at, end.end(), name[0].lower(), tuple(attributes))


def _attribute(match: re.Match[str]) -> Attribute:
    name, double, in_double, single, in_single, _, bare = match.groups()
    return Attribute(
        name=name.lower(),
        value=in_double or in_single or bare or "",
        quote=double or single or "",
        start=match.start(1),
        end=match.end(),
    )


def _end_of_raw_text(source: str, at: int, name: str) -> int:
    match = re.compile(rf"</{name}(?=[\s/>])", re.IGNORECASE).search(source, at)
    return match.start() if match else len(source)


def _after(source: str, closing: str, at: int) -> int:
    end = source.find(closing, at)
    return end + len(closing) if end >= 0 else len(source)


def check_nesting(pieces: Sequence[Piece]) -> None:
    """Raises `LimitReachedError` for what grows out of bounds in an HTML parser.

    Very deep trees end the parser's process; formatting left open (`<b>` without `</b>`) is
    opened again in each block that follows, so that 30 KB of it become 30 MB.
    """
    _Nesting().read(pieces)


class _Nesting:
    def __init__(self) -> None:
        self.open: list[str] = []
        self.formatting: dict[str, int] = {}

    def read(self, pieces: Sequence[Piece]) -> None:
        for piece in pieces:
            if piece.kind is Kind.START and piece.name not in VOID_ELEMENTS:
                self._start(piece.name)
            elif piece.kind is Kind.END:
                self._end(piece.name)

    def _start(self, name: str) -> None:
        if self.open and self.open[-1] in _SELF_ENDING.get(name, ()):
            self.open.pop()
            if self.open and self.open[-1] in _SELF_ENDING.get(name, ()):
                self.open.pop()
        self.open.append(name)
        if len(self.open) > MAX_DEPTH:
            raise LimitReachedError(f"elements are nested more than {MAX_DEPTH} deep")
        if name in _FORMATTING:
            self.formatting[name] = self.formatting.get(name, 0) + 1
            if sum(self.formatting.values()) > MAX_UNCLOSED_FORMATTING:
                raise LimitReachedError(
                    f"more than {MAX_UNCLOSED_FORMATTING} elements such as <b> or <font> are"
                    " opened and not closed"
                )

    def _end(self, name: str) -> None:
        if self.formatting.get(name, 0) > 0:
            self.formatting[name] -= 1
        if name in self.open:
            while self.open.pop() != name:
                pass
