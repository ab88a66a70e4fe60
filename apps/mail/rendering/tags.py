"""Liquid tags taken out of a source, so that HTML and CSS can be worked on around them.

`protect` puts a placeholder of three private characters' kind in place of each tag; `restore`
puts the tags back. Between the two, the text can be read as the HTML it will become.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

from liquid.lex import compile_liquid_rules

from apps.mail.rendering.problems import Part, ProblemKind, TemplateProblem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from apps.mail.rendering.limits import RenderLimits

OPEN, SHUT = "\uee80", "\uee81"
PRIVATE = re.compile("[\uee80-\uee8f]")
PLACEHOLDER = re.compile(f"{OPEN}(\\d+){SHUT}")

_RULES = compile_liquid_rules()
_OPENERS = frozenset(("if", "unless", "case", "for", "tablerow", "capture", "ifchanged"))
_BRANCHES = frozenset(("else", "elsif", "when"))
# What prints something, besides `{{ }}`.
_PRINTING = frozenset(("echo", "cycle", "increment", "decrement", "liquid"))
# Tags that change what later ones do: they cannot be left out of a text part.
STATEFUL = frozenset(("cycle", "increment", "decrement", "liquid", "capture", "ifchanged"))

_MAX_BLANKS = 64
_BLANKS = re.compile(rf"\s{{{_MAX_BLANKS + 1}}}")
_VERBATIM = re.compile(r"\{%-?\s{0,64}(raw|doc)\s{0,64}-?%\}")


@dataclass(frozen=True, slots=True)
class LiquidTag:
    """A tag as it is written back; `name` is "" for an output `{{ ... }}`."""

    name: str
    source: str
    line: int

    @property
    def opens(self) -> bool:
        return self.name in _OPENERS

    @property
    def branches(self) -> bool:
        return self.name in _BRANCHES

    @property
    def closes(self) -> bool:
        return self.name.startswith("end") and self.name != "endraw"

    def alone(self) -> str:
        """A source in which only this tag can be wrong."""
        if self.opens:
            return f"{self.source}{{% end{self.name} %}}"
        if self.closes or self.name in ("else", "raw", "endraw"):
            return ""
        around = {"elsif": ("if true", "endif"), "when": ("case 1", "endcase")}
        if self.name not in around:
            return self.source
        opening, closing = around[self.name]
        return f"{{% {opening} %}}{self.source}{{% {closing} %}}"

    @property
    def loops(self) -> bool:
        return self.name in ("for", "tablerow")

    @property
    def prints(self) -> bool:
        return not self.name or self.name in _PRINTING

    @property
    def makes_markup(self) -> bool:
        """Whether it may print HTML of its own, which nobody sees before it is rendered."""
        return self.name == "tablerow" or "<" in self.source


@dataclass(frozen=True, slots=True)
class Protected:
    """A source whose tags are placeholders; comments and whitespace control are worked off."""

    text: str
    tags: tuple[LiquidTag, ...]

    def with_text(self, text: str) -> Protected:
        return Protected(text, self.tags)

    def restore(self) -> Restored:
        pieces: list[str] = []
        starts: list[int] = []
        lines: list[int] = []
        length = 0
        for literal, number in self.pieces():
            piece = literal
            if number is not None:
                piece = self.tags[number].source
                starts.append(length)
                lines.append(self.tags[number].line)
            pieces.append(piece)
            length += len(piece)
        return Restored("".join(pieces), tuple(starts), tuple(lines))

    def pieces(self) -> Iterator[tuple[str, int | None]]:
        """Literals (with None) and the numbers of tags (with ""), in order."""
        for index, piece in enumerate(PLACEHOLDER.split(self.text)):
            if index % 2:
                yield "", int(piece)
            elif piece:
                yield piece, None

    def tags_in(self, text: str) -> list[LiquidTag]:
        return [self.tags[int(number)] for number in PLACEHOLDER.findall(text)]


@dataclass(frozen=True, slots=True)
class Restored:
    """Liquid again, with the author's line of each tag."""

    source: str
    starts: tuple[int, ...]
    lines: tuple[int, ...]

    def line_at(self, offset: int) -> int | None:
        """The line in the author's source of the tag at, or last before, an offset in this one."""
        found = bisect_right(self.starts, offset) - 1
        return self.lines[found] if found >= 0 else None


def placeholder(number: int) -> str:
    return f"{OPEN}{number}{SHUT}"


def check_source(source: str, *, part: Part, limits: RenderLimits) -> None:
    """Refuses what the library's lexer would take minutes for, or never see the end of.

    Its patterns look for the end of a tag from every beginning of one, so that the time grows
    with the square of the length. Raises `TemplateProblem`.
    """
    if len(source) > limits.source_characters:
        raise TemplateProblem(
            part=part,
            line=None,
            message=f"has {len(source):,} characters (limit: {limits.source_characters:,});"
            " put images on a server instead of into the mail",
            kind=ProblemKind.LIMIT,
        )
    private = PRIVATE.search(source)
    if private:
        raise TemplateProblem(
            part=part,
            line=_line(source, private.start()),
            message=f"contains the private character U+{ord(private[0]):04X}; remove it",
        )
    _check_tags(source, part, limits)


def _check_tags(source: str, part: Part, limits: RenderLimits) -> None:
    count = 0
    found = _TAG_START.search(source)
    while found:
        count += 1
        end = _end_of_tag(source, found.start(), part)
        _check_tag(source, found.start(), end, part, limits)
        found = _TAG_START.search(source, _end_of_verbatim(source, found.start(), end, part))
    if count > limits.tags:
        raise TemplateProblem(
            part=part,
            line=None,
            message=f"has {count:,} Liquid tags (limit: {limits.tags:,})",
            kind=ProblemKind.LIMIT,
        )


def _check_tag(source: str, at: int, end: int, part: Part, limits: RenderLimits) -> None:
    if end - at > limits.tag_characters:
        raise TemplateProblem(
            part=part,
            line=_line(source, at),
            message=f"the tag has {end - at:,} characters (limit: {limits.tag_characters:,})",
            kind=ProblemKind.LIMIT,
        )
    if _BLANKS.search(source, at, end):
        raise TemplateProblem(
            part=part,
            line=_line(source, at),
            message=f"the tag has more than {_MAX_BLANKS} blanks in a row",
        )


_TAG_START = re.compile(r"\{[{%]")


def _end_of_tag(source: str, at: int, part: Part) -> int:
    closing = "}}" if source[at + 1] == "{" else "%}"
    end = source.find(closing, at + 2)
    if end < 0:
        raise TemplateProblem(
            part=part,
            line=_line(source, at),
            message=f"“{source[at : at + 2]}” is never closed with “{closing}”",
        )
    return end + 2


def _end_of_verbatim(source: str, at: int, end: int, part: Part) -> int:
    """Where to go on: after the tag, or after what `raw` and `doc` keep from being read."""
    match = _VERBATIM.match(source, at, end)
    if not match:
        return end
    name = match[1]
    closing = re.compile(rf"\{{%-?\s{{0,64}}end{name}\s{{0,64}}-?%\}}").search(source, end)
    if not closing:
        raise TemplateProblem(
            part=part,
            line=_line(source, at),
            message=f"“{{% {name} %}}” is never closed with “{{% end{name} %}}”",
        )
    return closing.end()


def _line(source: str, offset: int) -> int:
    return source.count("\n", 0, offset) + 1


def protect(source: str) -> Protected:
    """Takes the tags out of a source that `check_source` and the library's parser accepted."""
    return _Protecting(source).run()


class _Protecting:
    """Reads a source as the library's lexer does, with the lexer's own pattern."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.texts: list[str] = []
        self.tags: list[LiquidTag] = []
        self.strip_next = False
        self.comment_depth = 0

    def run(self) -> Protected:
        for match in _RULES.finditer(self.source):
            self._read(match)
        return Protected("".join(self.texts), tuple(self.tags))

    def _read(self, match: re.Match[str]) -> None:
        kind = match.lastgroup or ""
        if self.comment_depth:
            self._in_comment(match, kind)
            return
        strip, self.strip_next = self.strip_next, False
        reader: Callable[[re.Match[str], bool], None] | None = getattr(
            self, f"_{kind.lower()}", None
        )
        if reader is None:
            self._content(match, strip)
        else:
            reader(match, strip)

    def _in_comment(self, match: re.Match[str], kind: str) -> None:
        if kind != "TAG":
            return
        if match["name"] == "comment":
            self.comment_depth += 1
        elif match["name"] == "endcomment":
            self.comment_depth -= 1
            self.strip_next = not self.comment_depth and bool(match["rst"])

    def _content(self, match: re.Match[str], strip: bool) -> None:  # noqa: FBT001 - as read
        text = match.group()
        if strip:
            text = text.lstrip()
        if match["rstrip"]:
            text = text.rstrip()
        self.texts.append(text)

    def _output(self, match: re.Match[str], _: bool) -> None:  # noqa: FBT001 - as read
        self.strip_next = bool(match["rss"])
        self._add(match, "", f"{{{{ {match['stmt']} }}}}")

    def _tag(self, match: re.Match[str], _: bool) -> None:  # noqa: FBT001 - as read
        self.strip_next = bool(match["rst"])
        name = match["name"]
        if name == "comment":
            self.comment_depth = 1
        elif name != "#":
            written = f"{name} {match['expr']}".rstrip()
            self._add(match, name, f"{{% {written} %}}")

    def _raw(self, match: re.Match[str], _: bool) -> None:  # noqa: FBT001 - as read
        self.strip_next = bool(match["rsr"])
        self._add(match, "raw", "{% raw %}")
        self.texts.append(match["raw"])
        self._add(match, "endraw", "{% endraw %}")

    def _doc(self, match: re.Match[str], _: bool) -> None:  # noqa: FBT001 - as read
        self.strip_next = bool(match["rsd"])

    def _add(self, match: re.Match[str], name: str, source: str) -> None:
        self.texts.append(placeholder(len(self.tags)))
        self.tags.append(LiquidTag(name, source, _line(self.source, match.start())))
