"""The words of a text: Liquid with narrow limits, parsed once and kept."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from liquid import BoundTemplate, Environment
from liquid.exceptions import LiquidError

from apps.sms.errors import SmsError

if TYPE_CHECKING:
    from collections.abc import Mapping

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
    """One body. Safe to use from several threads."""

    __slots__ = ("_fixed", "_template")

    def __init__(self, body: str) -> None:
        """Raises `WordingError` for whatever its author did wrong."""
        self._fixed = "" if "{{" in body or "{%" in body else body
        self._template: BoundTemplate | None = None
        if not self._fixed:
            try:
                self._template = _LIQUID.from_string(body)
            except LiquidError as error:
                raise WordingError(f"body: {error}") from error

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
        try:
            return self._template.render(subscriber=subscriber, brand=brand, links=links)
        except LiquidError as error:
            raise WordingError(f"body: {error}") from error


@lru_cache(maxsize=1_000)
def compiled(body: str) -> Wording:
    """The wording of a body, parsed once per process. Raises `WordingError`."""
    return Wording(body)
