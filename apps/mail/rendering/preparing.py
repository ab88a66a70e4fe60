"""What is worked out once per template instead of once per mail, and the proof that it may be.

Inlining styles and making the text part cost milliseconds, rendering a tenth of one. Doing them to
the template comes out the same for nearly all templates. Where it may not, the reason is kept for
the author to read, and the work is done for each mail.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from apps.mail.rendering.branches import TooManyBranchesError, UnbalancedError, Way, go, ways
from apps.mail.rendering.markup import Attribute, Kind, Piece, scan
from apps.mail.rendering.plaintext import NotConvertibleError, plain_text, settle, text_of, tidy
from apps.mail.rendering.sheets import placeholders_outside_of_values, rules, without_comments
from apps.mail.rendering.styles import inline_styles, is_sheet

if TYPE_CHECKING:
    from collections.abc import Iterator

    from apps.mail.rendering.tags import LiquidTag, Protected


@dataclass(frozen=True)
class PreparedHtml:
    """`template` has its styles inlined, unless `why_each` says why each mail needs it."""

    template: Protected
    why_each: str = ""


@dataclass(frozen=True)
class PreparedText:
    """A Liquid template of the text part, or why the text is made from each mail."""

    template: Protected | None
    why_each: str = ""


def prepare_html(source: Protected) -> PreparedHtml:
    """Raises `LimitReachedError` for style sheets and nesting out of bounds."""
    pieces = list(scan(source.text))
    if not any(map(is_sheet, pieces)):
        return PreparedHtml(source)
    inlined = source.with_text(inline_styles(source.text))
    reason = _why_styles_differ(source, pieces) or _why_ways_differ(source, inlined)
    return PreparedHtml(source, reason) if reason else PreparedHtml(inlined)


def prepare_text(prepared: PreparedHtml) -> PreparedText:
    """The text template of an HTML template."""
    if prepared.why_each:
        return PreparedText(None, "the styles of each mail decide what is shown")
    source = prepared.template
    try:
        text = source.with_text(settle(text_of(source.text, source.tags)))
        reason = _why_text_differs(source, text)
    except NotConvertibleError as error:
        reason = f"{_at(error.tag)} {error.reason}"
    except UnbalancedError:
        reason = _UNBALANCED
    except TooManyBranchesError:
        reason = _TOO_MANY
    return PreparedText(None, reason) if reason else PreparedText(text)


_UNBALANCED = "tags open in one element and close in another"
_TOO_MANY = "there are too many branches to compare them all"


def _why_text_differs(source: Protected, text: Protected) -> str:
    for tag in source.tags:
        if tag.makes_markup or "&" in tag.source:
            return f"{_at(tag)} prints HTML"
    for literal, _ in text.pieces():
        # Entities for braces are text in HTML; decoded they would be tags.
        if literal.endswith("{") or "{{" in literal or "{%" in literal:
            return "it shows “{” as text"
    captured = _why_structure(source, list(scan(source.text)), structural=False)
    if captured:
        return captured
    if not all(_same_text(source, text, way) for way in ways(source)):
        return "its text depends on which branches are shown"
    return ""


def _same_text(source: Protected, text: Protected, way: Way) -> bool:
    return plain_text(go(source, way)) == tidy(go(text, way))


def _why_ways_differ(source: Protected, inlined: Protected) -> str:
    try:
        for way in ways(source):
            if _canonical(go(inlined, way)) != _canonical(inline_styles(go(source, way))):
                return "which styles apply depends on which branches are shown"
    except UnbalancedError:
        return _UNBALANCED
    except TooManyBranchesError:
        return _TOO_MANY
    return ""


# Selectors whose matches depend on which other elements are there.
_STRUCTURAL = re.compile(r":(?:nth|first|last|only|empty|has)|[+~](?!=)")
_SELECTED_ATTRIBUTE = re.compile(r"\[\s*([\w-]+)")


def _why_styles_differ(source: Protected, pieces: list[Piece]) -> str:
    """What the ways of a template do not show, because it depends on what is printed."""
    css = without_comments(
        "".join(source.text[piece.start : piece.end] for piece in pieces if is_sheet(piece))
    )
    selected = {"class", "id", *(name.lower() for name in _SELECTED_ATTRIBUTE.findall(css))}
    for tag in source.tags:
        if tag.makes_markup:
            return f"{_at(tag)} prints HTML"
    return (
        _why_sheet(source, css)
        or _why_attributes(source, pieces, selected)
        or _why_structure(source, pieces, structural=_is_structural(source, pieces, css))
    )


def _why_sheet(source: Protected, css: str) -> str:
    for tag in source.tags_in(css):
        if not tag.prints:
            return f"{_at(tag)} stands in a style sheet"
    for number in placeholders_outside_of_values(css):
        return f"{_at(source.tags[number])} stands in a selector"
    return ""


def _why_attributes(source: Protected, pieces: list[Piece], selected: set[str]) -> str:
    for piece in pieces:
        if piece.kind is not Kind.START:
            continue
        for text in _selecting_texts(piece, selected):
            for tag in source.tags_in(text):
                return f"{_at(tag)} changes a class, an id or which attributes there are"
    return ""


def _selecting_texts(piece: Piece, selected: set[str]) -> Iterator[str]:
    yield piece.name
    for attribute in piece.attributes:
        yield attribute.name
        if attribute.name in selected:
            yield attribute.value


def _is_structural(source: Protected, pieces: list[Piece], css: str) -> bool:
    """Whether such a selector matches anything here; many sheets carry some for one mail client."""
    doubtful = "".join(rule for selector, rule in rules(css) if _STRUCTURAL.search(selector))
    if not doubtful:
        return False
    body = "".join(source.text[piece.start : piece.end] for piece in pieces if not is_sheet(piece))
    bare = source.with_text(f"<style>{doubtful}</style>{body}")
    try:
        shown = [bare.text, *(go(bare, way) for way in ways(bare))]
    except (UnbalancedError, TooManyBranchesError):
        return True
    return any(_canonical(inline_styles(text)) != _canonical(text) for text in shown)


def _why_structure(source: Protected, pieces: list[Piece], *, structural: bool) -> str:
    open_tags: list[LiquidTag] = []
    for piece in pieces:
        if piece.kind is Kind.START:
            for tag in open_tags:
                if tag.name == "capture":
                    return f"{_at(tag)} holds elements that are shown elsewhere"
                if structural:
                    return f"{_at(tag)} changes what :first-child and the like select"
        elif piece.kind in (Kind.TEXT, Kind.COMMENT):
            for tag in source.tags_in(source.text[piece.start : piece.end]):
                if tag.opens:
                    open_tags.append(tag)
                elif tag.closes and open_tags:
                    open_tags.pop()
    return ""


def _canonical(markup: str) -> list[object]:
    """HTML for comparing: the sheets left out, each style by what it declares in the end."""
    return [
        (piece.name, *map(_canonical_attribute, piece.attributes))
        if piece.kind is Kind.START
        else markup[piece.start : piece.end]
        for piece in scan(markup)
        if not is_sheet(piece)
    ]


def _canonical_attribute(attribute: Attribute) -> object:
    if attribute.name == "style":
        return _declared(attribute.value)
    return (attribute.name, attribute.value)


def _declared(style: str) -> dict[str, str]:
    declared: dict[str, str] = {}
    # css-inline writes double quotes as single ones.
    for declaration in html.unescape(style).replace('"', "'").split(";"):
        name, _, value = declaration.partition(":")
        name, value = name.strip().lower(), " ".join(value.split())
        if name and not ("!important" in declared.get(name, "") and "!important" not in value):
            declared[name] = value
    return declared


def _at(tag: LiquidTag) -> str:
    return f"the tag in line {tag.line} (“{tag.source[:40]}”)"
