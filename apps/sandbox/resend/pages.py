"""What all listings and timestamps of the API have in common."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from urllib.parse import parse_qs
from uuid import UUID

from apps.sandbox.resend.call import json_answer
from apps.sandbox.resend.errors import Answer, invalid

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MAX_LIMIT = 100


class Listed(Protocol):
    @property
    def id(self) -> str: ...


ListedT = TypeVar("ListedT", bound=Listed)


def rest_time(epoch: float) -> str:
    """A timestamp as in REST answers: `2023-10-06 23:47:56.678+00`."""
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3] + "+00"


def is_uuid(given: str) -> bool:
    try:
        UUID(given)
    except ValueError:
        return False
    return True


def page(
    query: str,
    items: Sequence[ListedT],
    *,
    present: Callable[[ListedT], dict[str, Any]],
    default_limit: int | None,
) -> Answer:
    """One page of `items` (newest first), chosen by limit and after or before in the query.

    Without a limit the page holds `default_limit` items, or all when that is None.
    """
    given = {name: values[-1] for name, values in parse_qs(query).items()}
    limit = _limit(given.get("limit"), default_limit or len(items))
    if "after" in given and "before" in given:
        raise invalid("Only one of `after` and `before` can be given")
    start, stop = 0, len(items)
    if "after" in given:
        start = _position(items, given["after"], "after") + 1
    if "before" in given:
        stop = _position(items, given["before"], "before")
        start = max(0, stop - limit)
        has_more = start > 0
    else:
        has_more = start + limit < stop
    shown = items[start : min(stop, start + limit)]
    return json_answer(
        {"object": "list", "has_more": has_more, "data": [present(item) for item in shown]}
    )


def _limit(given: str | None, default: int) -> int:
    if given is None:
        return default
    if not given.isdecimal() or not 1 <= int(given) <= MAX_LIMIT:
        raise invalid(f"Invalid `limit`. It needs to be a number from 1 to {MAX_LIMIT}")
    return int(given)


def _position(items: Sequence[Listed], cursor: str, name: str) -> int:
    for position, item in enumerate(items):
        if item.id == cursor:
            return position
    raise invalid(f"Invalid `{name}`. No listed item has this id")
