"""What can be wrong with a template or with the data for it, in an operator's words."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING, Literal

from liquid.exceptions import (
    BlockNestingError,
    ContextDepthError,
    LiquidError,
    LiquidSyntaxError,
    ResourceLimitError,
    UnknownFilterError,
)

if TYPE_CHECKING:
    from liquid import Token

Part = Literal["subject", "html", "text"]


class ProblemKind(StrEnum):
    """What sort of mistake it is; the words are in the message."""

    SYNTAX = "syntax"
    LIMIT = "limit"
    VALUE = "value"
    EMPTY = "empty"


class RenderingError(Exception):
    """The root of this package's errors."""


class TemplateProblem(RenderingError):  # noqa: N818 - it is shown to operators by this name
    """The template's author must change something. Shown as it is, with part and line.

    `line` counts from 1 in what the author wrote; None where no single line is to blame.
    """

    def __init__(
        self, *, part: Part, line: int | None, message: str, kind: ProblemKind = ProblemKind.SYNTAX
    ) -> None:
        super().__init__(part, line, message, kind)
        self.part = part
        self.line = line
        self.message = message
        self.kind = kind

    def __str__(self) -> str:
        place = f"{self.part}, line {self.line}" if self.line else self.part
        return f"{place}: {self.message}"


class ContextProblem(RenderingError):  # noqa: N818 - the counterpart of TemplateProblem
    """The data given for a recipient cannot go into a template. `path` names the value."""

    def __init__(self, *, path: str, message: str) -> None:
        super().__init__(path, message)
        self.path = path
        self.message = message

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


class LimitReachedError(ResourceLimitError):
    """A template asked for more work, output or memory than `RenderLimits` grants."""

    def __init__(self, message: str) -> None:
        super().__init__(message, token=None)


# The library's words are for programmers. The first pattern that matches is said instead.
_WORDINGS: tuple[tuple[str, str], ...] = (
    (
        r"unexpected tag '(include|render)'",
        "“{% \\1 %}” is not available: write the text into this template",
    ),
    (r"unexpected tag '(end\w+|else|elsif|when)'", "“{% \\1 %}” has no matching opening tag"),
    (r"unexpected tag '(\w+)'", "there is no tag “{% \\1 %}”"),
    (r"unknown filter 'safe'", "“safe” is not available: what a person typed is always escaped"),
    (r"unknown filter '(.+)'", "there is no filter “\\1”"),
    (r"expected '}}', found end of file", "a “{{” is never closed with “}}”"),
    (
        r"missing tag name or closing delimiter",
        "a “{%” has no tag name, or is never closed with “%}”",
    ),
    (r"comment tag was never closed", "“{% comment %}” is never closed with “{% endcomment %}”"),
    (r"doc tag wad never closed", "“{% doc %}” is never closed with “{% enddoc %}”"),
    (r"expected (?:tag )?'?(end\w+)'?, found.*", "“{% \\1 %}” is missing"),
    (r"missing expression", "the tag says nothing to do it with: a name or condition is missing"),
    (r"missing or unexpected path segment", "a name is incomplete, or has a sign too many"),
    (r"expected a primitive expression, found (?:end of expression|eof)", "a value is missing"),
    (r"expected a primitive expression, found (.+)", "a value is expected before “\\1”"),
    (r"unexpected '(break|continue)'", "“{% \\1 %}” stands outside of a loop"),
    (r"(divided_by|modulo): can't divide by (.+)", "“\\1” divides by \\2"),
    (
        r"'<' and '>' are not supported between '(\w+)' and '(\w+)'",
        "a \\1 and a \\2 cannot be compared with “<” or “>”",
    ),
    (
        r"'in' and 'contains' are not supported between '(\w+)' and '(\w+)'",
        "“contains” looks into texts and lists, not into a \\1",
    ),
)
_TYPE_NAMES = {
    "str": "text",
    "Markup": "text",
    "int": "number",
    "float": "number",
    "bool": "yes/no value",
    "list": "list",
    "dict": "group of values",
    "NoneType": "missing value",
    "Undefined": "missing value",
    "range": "range",
}


def in_plain_words(error: BaseException) -> str:
    """What the library or Python said, said for an operator."""
    if isinstance(error, BlockNestingError | ContextDepthError):
        return "tags are nested too deeply; at most 30 levels"
    if isinstance(error, RecursionError):
        return "an expression is too long or nested too deeply"
    said = str(error.message) if isinstance(error, LiquidError) else str(error)
    for pattern, wording in _WORDINGS:
        match = re.fullmatch(pattern, said, re.DOTALL)
        if match:
            return _name_types(match.expand(wording))
    return said or type(error).__name__


def problem_from(error: BaseException, *, part: Part, line: int | None) -> TemplateProblem:
    """The named problem for whatever came out of the library."""
    return TemplateProblem(
        part=part, line=line, message=in_plain_words(error), kind=_kind_of(error)
    )


def line_of(token: Token | None) -> int | None:
    """The line, from 1, at which a token starts in its source."""
    if token is None or token.start_index < 0:
        return None
    return token.source.count("\n", 0, token.start_index) + 1


def _kind_of(error: BaseException) -> ProblemKind:
    if isinstance(error, ResourceLimitError | RecursionError):
        return ProblemKind.LIMIT
    if isinstance(error, UnknownFilterError | LiquidSyntaxError):
        return ProblemKind.SYNTAX
    return ProblemKind.VALUE


def _name_types(words: str) -> str:
    return re.sub(
        r"\b(str|Markup|int|float|bool|list|dict|NoneType|Undefined|range)\b",
        lambda match: _TYPE_NAMES[match[1]],
        words,
    )
