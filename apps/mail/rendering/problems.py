"""What can be wrong with a template or with the data for it, in an operator's words."""

from __future__ import annotations

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

from apps.mail.rendering.wording import in_operators_words

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


def in_plain_words(error: BaseException) -> str:
    """What the library or Python said, said for an operator."""
    if isinstance(error, BlockNestingError | ContextDepthError):
        return "tags are nested too deeply; at most 30 levels"
    if isinstance(error, RecursionError):
        return "an expression is too long or nested too deeply"
    if isinstance(error, LiquidError):
        return in_operators_words(str(error.message))
    # Python's own messages quote the data, which may be somebody's address.
    return f"this cannot be worked out with the data there is ({type(error).__name__})"


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
