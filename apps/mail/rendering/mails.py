"""Templates compiled once per mailing, and mails rendered from them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from apps.mail.rendering.engine import (
    HTML,
    TEXT,
    TEXT_FROM_HTML,
    ParsedTemplate,
    RenderFailedError,
    StationEnvironment,
)
from apps.mail.rendering.limits import DEFAULT_LIMITS, Budget, RenderLimits
from apps.mail.rendering.plaintext import plain_text, tidy
from apps.mail.rendering.preparing import PreparedHtml, prepare_html, prepare_text
from apps.mail.rendering.problems import (
    LimitReachedError,
    Part,
    ProblemKind,
    TemplateProblem,
    line_of,
    problem_from,
)
from apps.mail.rendering.styles import inline_styles
from apps.mail.rendering.tags import Restored, check_source, protect

if TYPE_CHECKING:
    from collections.abc import Callable

    from apps.mail.rendering.context import RecipientContext
    from apps.mail.rendering.dates import Clock

TextOrigin = Literal["written", "template", "each mail"]

_UNPRINTABLE = re.compile(r"[\x00-\x20\x7f-\x9f\u2028\u2029]+")


@dataclass(frozen=True, slots=True)
class RenderedMail:
    """One finished mail. `missing` are the names that had no value where one was printed."""

    subject: str
    html: str
    text: str
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CompiledTemplate:
    """A template ready to render; immutable, for any number of threads.

    `styles_each_mail` and `text_each_mail` say why styles are inlined, or the text is made, for
    each mail: it is right, but ten times slower. "" where it was done once.
    """

    subject: _Source
    html: _Source
    text: _Source | None
    limits: RenderLimits
    styles_each_mail: str = ""
    text_each_mail: str = ""

    def render(self, context: RecipientContext) -> RenderedMail:
        """Raises `TemplateProblem` for the author's mistakes, `ContextProblem` for the data's."""
        clock = context.clock()
        rendering = _Rendering(context.namespace(clock), clock, self.limits)
        subject = self._subject(rendering)
        html = rendering.run(self.html)
        if self.styles_each_mail:
            html = _worked_on(html, inline_styles)
        text = self._text(rendering, html)
        return RenderedMail(subject, html, text, tuple(rendering.missing))

    def _text(self, rendering: _Rendering, html: str) -> str:
        if self.text is None:
            return _worked_on(html, plain_text)
        text = rendering.run(self.text)
        return tidy(text) if self.text.made_from_html else text

    def _subject(self, rendering: _Rendering) -> str:
        subject = _UNPRINTABLE.sub(" ", rendering.run(self.subject)).strip()
        if not subject:
            raise _problem("subject", "is empty for this recipient", ProblemKind.EMPTY)
        if len(subject) > self.limits.subject_characters:
            raise _problem(
                "subject",
                f"has {len(subject)} characters for this recipient"
                f" (limit: {self.limits.subject_characters}); shorten it, or cut what it prints"
                " with “truncate”",
                ProblemKind.LIMIT,
            )
        return subject


@dataclass(frozen=True, slots=True)
class _Source:
    """A parsed part. `restored` maps places in a prepared source to the author's lines."""

    part: Part
    parsed: ParsedTemplate
    restored: Restored | None = None
    made_from_html: bool = False


class _Rendering:
    """The parts of one mail share its data and clock; each has a budget of its own."""

    __slots__ = ("clock", "limits", "missing", "namespace")

    def __init__(self, namespace: dict[str, object], clock: Clock, limits: RenderLimits) -> None:
        self.namespace = namespace
        self.clock = clock
        self.limits = limits
        self.missing: dict[str, None] = {}

    def run(self, source: _Source) -> str:
        try:
            return source.parsed.render(
                self.namespace,
                clock=self.clock,
                budget=Budget(self.limits),
                missing=self.missing,
            )
        except RenderFailedError as failure:
            # What it was raised from may quote the recipient's data, and end in a log.
            raise _problem_in(source.part, failure, source.restored) from None


def compile_template(
    subject: str, html: str, text: str | None = None, *, limits: RenderLimits = DEFAULT_LIMITS
) -> CompiledTemplate:
    """Parses and prepares a template; takes some 20 ms, so keep what it returns.

    A missing or blank `text` is made from the HTML. Raises `TemplateProblem`, the first one found;
    `find_problems` returns one per part.
    """
    text_source: _Source | None
    subject_source = _compile_plain("subject", subject, limits)
    prepared = _prepare_html(html, limits)
    restored = prepared.template.restore()
    html_source = _Source("html", _parse("html", restored.source, HTML, restored), restored)
    if text is not None and text.strip():
        text_source, why_text = _compile_plain("text", text, limits), ""
    else:
        text_source, why_text = _compile_made_text(prepared)
    return CompiledTemplate(
        subject=subject_source,
        html=html_source,
        text=text_source,
        limits=limits,
        styles_each_mail=prepared.why_each,
        text_each_mail=why_text,
    )


def find_problems(
    subject: str, html: str, text: str | None = None, *, limits: RenderLimits = DEFAULT_LIMITS
) -> list[TemplateProblem]:
    """What `compile_template` would raise, for each part on its own."""
    problems: list[TemplateProblem] = []
    for part, template in (
        ("subject", (subject, "-", "-")),
        ("html", ("-", html, "-")),
        ("text", ("-", "-", text)),
    ):
        try:
            compile_template(*template, limits=limits)
        except TemplateProblem as problem:
            if problem.part == part:
                problems.append(problem)
    return problems


def _compile_plain(part: Part, source: str, limits: RenderLimits) -> _Source:
    if not source.strip():
        raise _problem(part, "is empty", ProblemKind.EMPTY)
    check_source(source, part=part, limits=limits)
    return _Source(part, _parse(part, source, TEXT))


def _prepare_html(html: str, limits: RenderLimits) -> PreparedHtml:
    if not html.strip():
        raise _problem("html", "is empty", ProblemKind.EMPTY)
    check_source(html, part="html", limits=limits)
    # As the author wrote it, for the line of a mistake.
    _parse("html", html, HTML)
    try:
        return prepare_html(protect(html))
    except LimitReachedError as error:
        raise problem_from(error, part="html", line=None) from error


def _compile_made_text(prepared: PreparedHtml) -> tuple[_Source | None, str]:
    made = prepare_text(prepared)
    if made.template is None:
        return None, made.why_each
    restored = made.template.restore()
    try:
        parsed = ParsedTemplate(restored.source, TEXT_FROM_HTML)
    except RenderFailedError:
        return None, "its tags make no template of their own"
    return _Source("html", parsed, restored, made_from_html=True), ""


def _parse(
    part: Part, source: str, environment: StationEnvironment, restored: Restored | None = None
) -> ParsedTemplate:
    try:
        return ParsedTemplate(source, environment)
    except RenderFailedError as failure:
        problem = _problem_in(part, failure, restored)
        problem.line = problem.line or _line_of_mistake(source, environment)
        raise problem from failure


def _line_of_mistake(source: str, environment: StationEnvironment) -> int | None:
    """Where an expression ends too soon, the library knows no place: the first bad tag is it."""
    for tag in protect(source).tags:
        try:
            ParsedTemplate(tag.alone(), environment)
        except RenderFailedError:
            return tag.line
    return None


def _worked_on(html: str, work: Callable[[str], str]) -> str:
    try:
        return work(html)
    except LimitReachedError as error:
        raise problem_from(error, part="html", line=None) from error


def _problem_in(
    part: Part,
    failure: RenderFailedError,
    restored: Restored | None,
) -> TemplateProblem:
    line = line_of(failure.token)
    if restored is not None and failure.token is not None:
        line = restored.line_at(max(failure.token.start_index, 0))
    return problem_from(failure.error, part=part, line=line)


def _problem(part: Part, message: str, kind: ProblemKind) -> TemplateProblem:
    return TemplateProblem(part=part, line=None, message=message, kind=kind)
