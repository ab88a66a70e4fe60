"""Reading bodies: JSON objects of bounded size and depth, without what PostgreSQL cannot keep."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
from django.conf import settings
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser

from apps.brands.api.errors import BodyTooLargeError, MalformedBodyError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import IO

    from rest_framework.renderers import BaseRenderer
    from rest_framework.request import Request

DEEPEST = 32


class StationJSONParser(BaseParser):
    """Refuses bodies over FLUX_API_BODY_BYTES, other things than objects, NUL characters.

    Lone surrogates, NaN and infinite numbers are no JSON and refused with it.
    """

    media_type = "application/json"
    shapes: tuple[type, ...] = (dict,)
    told = "a JSON object: {…}"

    def body_limit(self) -> int:
        """In bytes."""
        return int(settings.API_BODY_BYTES)

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,  # noqa: ARG002 - DRF's signature
        parser_context: Mapping[str, Any] | None = None,  # noqa: ARG002 - DRF's signature
    ) -> Any:
        limit = self.body_limit()
        raw = stream.read(limit + 1)
        if len(raw) > limit:
            raise BodyTooLargeError(f"The body is larger than {limit:,} bytes.")
        try:
            body = orjson.loads(raw)
        except orjson.JSONDecodeError as error:
            raise MalformedBodyError(f"The body is no JSON: {error}.") from None
        if not isinstance(body, self.shapes):
            raise MalformedBodyError(f"The body must be {self.told}.")
        check_texts(body)
        return body


class BulkJSONParser(StationJSONParser):
    """Takes lists, too: for calls that tell of one thing or of many."""

    shapes = (dict, list)
    told = "a JSON object, {…}, or a list of them"


def check_texts(body: Any) -> None:
    """Raises `MalformedBodyError` for NUL characters and for nesting deeper than `DEEPEST`."""
    level: list[Any] = [body]
    for _ in range(DEEPEST):
        level = list(_inner(level))
        if not level:
            return
    raise MalformedBodyError(f"The body is nested deeper than {DEEPEST} levels.")


def _inner(values: Sequence[Any]) -> Iterator[Any]:
    for value in values:
        if isinstance(value, str):
            if "\x00" in value:
                raise MalformedBodyError("The body holds a NUL character (\\u0000).")
        elif isinstance(value, dict):
            yield from value
            yield from value.values()
        elif isinstance(value, list):
            yield from value


class JSONAlways(BaseContentNegotiation):
    """The answer is JSON, whatever the caller would accept: errors could not be read else."""

    def select_parser(self, request: Request, parsers: Iterable[BaseParser]) -> BaseParser | None:
        kind = (request.content_type or "").partition(";")[0].strip().lower()
        return next((parser for parser in parsers if parser.media_type == kind), None)

    def select_renderer(
        self,
        _request: Request,
        renderers: Iterable[BaseRenderer],
        _format_suffix: str | None = None,
    ) -> tuple[BaseRenderer, str]:
        first = next(iter(renderers))
        return first, str(first.media_type)
