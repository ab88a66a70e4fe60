"""Liquid's filters, each behind a guard that keeps a template from running away.

Filters are where a few characters of template become gigabytes: `replace` of every letter by
the whole text, `join` with a long separator, `uniq` with its quadratic search. What goes into a
filter is bounded; what comes out is bounded by what goes in, or reckoned before it is made.
"""

from __future__ import annotations

import html
from functools import partial
from typing import TYPE_CHECKING, Any

from liquid.filter import string_filter
from liquid.undefined import is_undefined

from apps.mail.rendering.dates import Clock, show_date

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from liquid import Environment

    from apps.mail.rendering.limits import Budget

# “safe” would let what a person typed into a form become markup in everybody's mail client.
# “escapejs” is for scripts, which no mail client runs.
WITHHELD_FILTERS = frozenset(("safe", "escapejs"))


def guarded_filters(environment: Environment) -> dict[str, Callable[..., object]]:
    """Every filter of the environment as `(budget, clock, left, *args, **kwargs)`."""
    filters: dict[str, Callable[..., object]] = {
        name: _guarded(_bound(function, environment), _RECKONED.get(name))
        for name, function in environment.filters.items()
    }
    filters["date"] = _date
    return filters


def _bound(function: Callable[..., Any], environment: Environment) -> Callable[..., Any]:
    if getattr(function, "with_environment", False):
        return partial(function, environment=environment)
    return function


def _guarded(
    function: Callable[..., Any], reckon: Callable[..., None] | None
) -> Callable[..., object]:
    def guarded(budget: Budget, _: Clock, left: object, *args: object, **kwargs: object) -> object:
        budget.admit(left)
        if reckon is not None:
            reckon(budget, left, *args)
        return function(left, *args, **kwargs)

    return guarded


def _date(budget: Budget, clock: Clock, left: object, form: object = None) -> str:
    budget.spend(5)
    return show_date(left, form, clock=clock)


def _reckon_replace(budget: Budget, left: object, seq: object = "", sub: object = "") -> None:
    text, sought, put = _text(left), _text(seq), _text(sub)
    budget.admit_size(len(text) + text.count(sought) * len(put))


def _reckon_join(budget: Budget, left: object, separator: object = " ") -> None:
    if isinstance(left, list | tuple | range):
        kept = sum(len(item) for item in left if isinstance(item, str))
        budget.admit_size(kept + len(left) * len(_text(separator)))


def _reckon_uniq(budget: Budget, left: object, *_: object) -> None:
    if isinstance(left, list | tuple | range):
        budget.spend(len(left) ** 2 // 50)


_RECKONED: Mapping[str, Callable[..., None]] = {
    "replace": _reckon_replace,
    "join": _reckon_join,
    "uniq": _reckon_uniq,
}


def _text(value: object) -> str:
    if value is None or is_undefined(value):
        return ""
    return value if isinstance(value, str) else str(value)


@string_filter
def _unchanged(value: str) -> str:
    return value


@string_filter
def _unescaped(value: str) -> str:
    return html.unescape(value)


# In a text part that was made from HTML, what only concerns HTML does nothing.
PLAIN_TEXT_FILTERS: Mapping[str, Callable[..., Any]] = {
    "escape": _unchanged,
    "escape_once": _unescaped,
    "newline_to_br": _unchanged,
}
