"""Style sheets moved into `style` attributes, because many mail clients drop style sheets.

css-inline reads the HTML as a browser would and would write it anew, with template tags moved out
of tables and conditional comments changed. So it only gets a marked copy, and what it answers for
each element is put into the source at that element's place; all else stays as the author wrote it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

import css_inline

from apps.mail.rendering.markup import Attribute, Kind, Piece, check_nesting, end_of_name, scan
from apps.mail.rendering.problems import LimitReachedError
from apps.mail.rendering.tags import PLACEHOLDER, placeholder

# Rules times elements: each pair may have to be compared. A large newsletter has 200,000.
MAX_COMPARISONS = 3_000_000

_MARK = "data-fx"
_LIQUID_IDENT = re.compile(r"fxliquid(\d+)z")


@cache
def _inliner() -> css_inline.CSSInliner:
    return css_inline.CSSInliner(
        load_remote_stylesheets=False,
        # Media queries, :hover and all that no attribute can say stay in a style sheet.
        keep_style_tags=True,
        remove_inlined_selectors=True,
    )


def inline_styles(source: str) -> str:
    """The source with its rules inlined; placeholders of Liquid tags stay in their places.

    Reads no file and asks no server. Raises `LimitReachedError`.
    """
    pieces = list(scan(source))
    if not any(map(is_sheet, pieces)):
        return source
    check_nesting(pieces)
    _check_size(source, pieces)
    answer = _read_answer(_inliner().inline(_marked_copy(source, pieces)))
    return _spliced(source, pieces, answer)


def _check_size(source: str, pieces: list[Piece]) -> None:
    rules = sum(source.count("{", piece.start, piece.end) for piece in pieces if is_sheet(piece))
    selectors = rules + sum(
        source.count(",", piece.start, piece.end) for piece in pieces if is_sheet(piece)
    )
    elements = sum(1 for piece in pieces if piece.kind is Kind.START)
    if selectors * elements > MAX_COMPARISONS:
        raise LimitReachedError(
            f"{selectors:,} style rules for {elements:,} elements are too many"
            f" (limit: {MAX_COMPARISONS:,} multiplied); remove rules that are not used"
        )


def is_sheet(piece: Piece) -> bool:
    return piece.kind is Kind.RAW and piece.name == "style"


def _marked_copy(source: str, pieces: list[Piece]) -> str:
    copied: list[str] = []
    for number, piece in enumerate(pieces):
        text = source[piece.start : piece.end]
        if is_sheet(piece):
            copied.append(PLACEHOLDER.sub(r"fxliquid\1z", text))
        elif piece.kind is Kind.START:
            copied.append(_marked_tag(source, number, piece))
        elif piece.kind in (Kind.END, Kind.TEXT):
            copied.append(PLACEHOLDER.sub("", text))
    return "".join(copied)


def _marked_tag(source: str, number: int, piece: Piece) -> str:
    name = PLACEHOLDER.sub("", piece.name)
    written = [f'<{name} {_MARK}="{number}"']
    written += [
        " " + PLACEHOLDER.sub("", source[one.start : one.end])
        for one in piece.attributes
        if one.name != _MARK and not (one.name == "style" and PLACEHOLDER.search(one.value))
    ]
    return "".join(written) + ">"


@dataclass(frozen=True)
class _Answer:
    """By the piece's number: its `style`, escaped for double quotes; what is left of a sheet."""

    styles: dict[int, str]
    sheets: dict[int, str]


# css-inline writes all start tags in this form, and “<” in texts as an entity.
_ANSWERED = re.compile(r"""<([a-z][^\s>]*)((?:\s[^\s=>]+(?:="[^"]*")?)+)>""", re.IGNORECASE)
_MARKED = re.compile(rf'\s{_MARK}="(\d+)"')
_STYLED = re.compile(r'\sstyle="([^"]*)"')


def _read_answer(html: str) -> _Answer:
    answer = _Answer({}, {})
    match = _ANSWERED.search(html)
    while match:
        at = match.end()
        mark, style = _MARKED.search(match[2]), _STYLED.search(match[2])
        if mark and style:
            # An element that the parser opened again comes twice.
            answer.styles.setdefault(int(mark[1]), _with_placeholders(style[1]))
        if mark and match[1] == "style":
            at = html.find("</style>", match.end())
            answer.sheets[int(mark[1])] = _with_placeholders(html[match.end() : at])
        match = _ANSWERED.search(html, at)
    return answer


def _with_placeholders(css: str) -> str:
    return _LIQUID_IDENT.sub(lambda match: placeholder(int(match[1])), css)


def _spliced(source: str, pieces: list[Piece], answer: _Answer) -> str:
    written: list[str] = []
    for number, piece in enumerate(pieces):
        if is_sheet(piece):
            written.append(answer.sheets.get(number - 1, ""))
        elif number in answer.styles:
            written.append(_styled_tag(source, piece, answer.styles[number]))
        else:
            written.append(source[piece.start : piece.end])
    return "".join(written)


def _styled_tag(source: str, piece: Piece, style: str) -> str:
    existing = piece.attribute("style")
    if existing is None:
        end = piece.attributes[-1].end if piece.attributes else end_of_name(source, piece)
        return f'{source[piece.start : end]} style="{style}"{source[end : piece.end]}'
    return (
        source[piece.start : existing.start]
        + _merged(existing, style)
        + source[existing.end : piece.end]
    )


def _merged(existing: Attribute, style: str) -> str:
    """What the author wrote in the attribute goes last and so wins, as it does over a sheet."""
    if not PLACEHOLDER.search(existing.value):
        return f'style="{style}"'
    own = existing.value if existing.quote else existing.value.replace('"', "&quot;")
    if existing.quote == "'":
        own = own.replace('"', "&quot;")
    return f'style="{style.rstrip("; ")};{own}"'
