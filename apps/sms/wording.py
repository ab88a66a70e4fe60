"""The words of a text: Liquid with narrow limits, parsed once and kept."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from liquid import BoundTemplate, Environment
from liquid.builtin.content import ContentNode
from liquid.builtin.expressions import FilteredExpression, Path
from liquid.builtin.output import OutputNode
from liquid.exceptions import LiquidError

from apps.sms.errors import SmsError

# Words as they are, or the names that lead to a value.
_Part = str | tuple[str, ...]

LONGEST_TEXT = 1_600
"""Characters. Ten segments of GSM-7 hold 1,530; operators take no more."""
_LOOPS = 200
_NAMESPACE = 50_000


class WordingError(SmsError):
    """The template cannot be read or rendered, or makes no text; the message says where."""


class _Texts(Environment):
    """Nothing of a text is HTML, and nothing is included from elsewhere."""

    loop_iteration_limit = _LOOPS
    local_namespace_limit = _NAMESPACE
    output_stream_limit = 4 * LONGEST_TEXT
    context_depth_limit = 10


def _environment() -> Environment:
    environment = _Texts(autoescape=False)
    for tag in ("include", "render"):
        environment.tags.pop(tag, None)
    return environment


_LIQUID = _environment()


class Wording:
    """One body. Safe to use from several threads.

    What nearly all bodies are, plain words and plain names, is put together without Liquid: 40,000
    texts in ten seconds leave no time for more.
    """

    __slots__ = ("_fixed", "_parts", "_template")

    def __init__(self, body: str) -> None:
        """Raises `WordingError` for whatever its author did wrong."""
        self._fixed = "" if "{{" in body or "{%" in body else body
        self._template: BoundTemplate | None = None
        self._parts: list[_Part] | None = None
        if not self._fixed:
            try:
                self._template = _LIQUID.from_string(body)
            except LiquidError as error:
                raise WordingError(f"body: {error}") from error
            self._parts = _plain_parts(self._template)

    def text(
        self,
        *,
        subscriber: Mapping[str, object],
        brand: Mapping[str, object],
        links: Mapping[str, str] | None = None,
    ) -> str:
        """The text for one person, 1 to 1,600 characters; raises `WordingError`."""
        text = self._fixed or self._rendered(subscriber, brand, links or {})
        if not text.strip():
            raise WordingError("body: nothing is left of it for this person")
        if len(text) > LONGEST_TEXT:
            raise WordingError(
                f"body: {len(text):,} characters for this person; give at most {LONGEST_TEXT:,}"
            )
        return text

    def _rendered(
        self,
        subscriber: Mapping[str, object],
        brand: Mapping[str, object],
        links: Mapping[str, str],
    ) -> str:
        if self._template is None:
            return ""
        names = {"subscriber": subscriber, "brand": brand, "links": links}
        plain = None if self._parts is None else _put_together(self._parts, names)
        if plain is not None:
            return plain
        try:
            return self._template.render(**names)
        except LiquidError as error:
            raise WordingError(f"body: {error}") from error


def _plain_parts(template: BoundTemplate) -> list[_Part] | None:
    """The body as words and paths; None where there is more to it."""
    parts: list[_Part] = []
    for node in template.nodes:
        if isinstance(node, ContentNode):
            parts.append(node.text)
            continue
        path = _plain_path(node.expression) if isinstance(node, OutputNode) else None
        if path is None:
            return None
        parts.append(path)
    return parts


def _plain_path(expression: object) -> tuple[str, ...] | None:
    if not isinstance(expression, FilteredExpression) or expression.filters:
        return None
    left = expression.left
    if not isinstance(left, Path):
        return None
    names = tuple(part for part in left.path if isinstance(part, str))
    return names if len(names) == len(left.path) else None


def _put_together(parts: list[_Part], names: Mapping[str, object]) -> str | None:
    """None where a name leads to anything but a text: then Liquid says what to make of it."""
    found: list[str] = []
    for part in parts:
        if isinstance(part, str):
            found.append(part)
            continue
        value: object = names
        for name in part:
            value = value.get(name) if isinstance(value, Mapping) else None
        if not isinstance(value, str):
            return None
        found.append(value)
    return "".join(found)


@lru_cache(maxsize=1_000)
def compiled(body: str) -> Wording:
    """The wording of a body, parsed once per process. Raises `WordingError`."""
    return Wording(body)
