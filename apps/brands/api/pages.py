"""Lists: newest first, a page at a time, from a cursor that is an id."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rest_framework.exceptions import ValidationError
from rest_framework.pagination import BasePagination
from rest_framework.response import Response

if TYPE_CHECKING:
    from rest_framework.request import Request

USUAL_SIZE = 20
LARGEST_SIZE = 100
LARGEST_ID = 2**63 - 1

PARAMETERS: tuple[tuple[str, str, int], ...] = (
    ("limit", f"How many, 1 to {LARGEST_SIZE}; {USUAL_SIZE} where it is left out.", LARGEST_SIZE),
    ("after", "Only what follows the object with this id in the list.", LARGEST_ID),
    ("before", "Only what precedes the object with this id in the list.", LARGEST_ID),
)


class CursorPages(BasePagination):
    """`?limit=&after=<id>` or `&before=<id>`: each page costs the same, however deep it lies."""

    def paginate_queryset(
        self,
        queryset: Any,
        request: Request,
        view: Any = None,  # noqa: ARG002 - DRF's signature
    ) -> list[Any]:
        after, before = self._id(request, "after"), self._id(request, "before")
        if after is not None and before is not None:
            raise ValidationError({"before": ["Give after or before, not both."]})
        size = whole_number(request, "limit", at_most=LARGEST_SIZE) or USUAL_SIZE
        if before is not None:
            rows = list(queryset.filter(pk__gt=before).order_by("pk")[: size + 1])
        else:
            older = queryset if after is None else queryset.filter(pk__lt=after)
            rows = list(older.order_by("-pk")[: size + 1])
        self.has_more = len(rows) > size
        page = rows[:size]
        return page[::-1] if before is not None else page

    def get_paginated_response(self, data: Any) -> Response:
        return Response({"object": "list", "data": data, "has_more": self.has_more})

    def get_paginated_response_schema(self, schema: Any) -> dict[str, Any]:
        return {
            "type": "object",
            "required": ["object", "data", "has_more"],
            "properties": {
                "object": {"type": "string", "enum": ["list"]},
                "data": schema,
                "has_more": {
                    "type": "boolean",
                    "description": "Whether there is a further page in the direction asked for.",
                },
            },
        }

    def get_schema_operation_parameters(self, _view: Any) -> list[dict[str, Any]]:
        return [
            {
                "name": name,
                "in": "query",
                "required": False,
                "description": description,
                "schema": {"type": "integer", "minimum": 1, "maximum": highest},
            }
            for name, description, highest in PARAMETERS
        ]

    def _id(self, request: Request, name: str) -> int | None:
        return whole_number(request, name, at_most=LARGEST_ID)


def whole_number(request: Request, name: str, *, at_most: int) -> int | None:
    """A query parameter of 1 to `at_most`, or None where it is missing."""
    raw = request.query_params.get(name)
    if raw is None:
        return None
    value = int(raw) if raw.isascii() and raw.isdecimal() and len(raw) <= len(str(at_most)) else 0
    if not 1 <= value <= at_most:
        raise ValidationError({name: [f"Must be a whole number from 1 to {at_most}."]})
    return value
