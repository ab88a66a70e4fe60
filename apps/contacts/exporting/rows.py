"""The lines of an export: a header, then a page of contacts after the other."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from dataclasses import dataclass
from io import StringIO
from typing import TYPE_CHECKING, Any

from django.db.models import Func, TextField

from apps.contacts.importing.columns import TRAIT_PREFIX
from apps.contacts.importing.formulas import escape_formula
from apps.contacts.models import Suppression, TopicState, TopicSubscription

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from apps.contacts.models import Contact, ContactQuerySet

PAGE_ROWS = 5000
# Of more traits than this the rest share one column, as JSON.
TRAIT_COLUMNS = 200
_FIELDS = ("email", "first_name", "last_name", "locale", "timezone")
_FACTS = ("brand", "status", "status_changed_at", "created_at", "topics", "suppressed")
# Spreadsheets take a file without this mark for Windows-1252.
BYTE_ORDER_MARK = "\ufeff"


@dataclass(frozen=True, slots=True)
class Layout:
    """Fixed at the beginning, so that all lines have the same columns."""

    traits: tuple[str, ...]
    more_traits: bool = False

    def header(self) -> str:
        traits = [f"{TRAIT_PREFIX}{key}" for key in self.traits]
        return _line([*_FIELDS, *_FACTS, *traits, *(["more_traits"] if self.more_traits else [])])


@dataclass(frozen=True, slots=True)
class Page:
    """`text` holds the lines of `rows` contacts; the next page comes after the id `last_id`."""

    text: str
    rows: int
    last_id: int


def lay_out(contacts: ContactQuerySet) -> Layout:
    """One pass over the contacts: which traits there are."""
    keys = contacts.order_by().annotate(
        _key=Func("traits", function="jsonb_object_keys", output_field=TextField())
    )
    found = sorted(keys.values_list("_key", flat=True).distinct()[: TRAIT_COLUMNS + 1])
    return Layout(tuple(found[:TRAIT_COLUMNS]), more_traits=len(found) > TRAIT_COLUMNS)


def read_pages(contacts: ContactQuerySet, layout: Layout, *, after_id: int = 0) -> Iterator[Page]:
    """By id, each page a query of its own: no transaction is held open while a browser reads."""
    ordered = contacts.select_related("brand").order_by("pk")
    while page := list(ordered.filter(pk__gt=after_id)[:PAGE_ROWS]):
        after_id = page[-1].pk
        yield Page("".join(_lines(page, layout)), len(page), after_id)


def _lines(page: Sequence[Contact], layout: Layout) -> Iterator[str]:
    topics = _opted_in(page)
    suppressed = _suppressed({one.address for one in page})
    for one in page:
        reasons = suppressed[one.address]
        held = sorted({reason for reason, brand in reasons if brand in {None, one.brand_id}})
        yield _line([*_fields(one, topics[one.pk], held), *_traits(one.traits, layout)])


def _fields(one: Contact, topics: list[str], suppressed: list[str]) -> list[str]:
    erased = ["erased"] if one.erased_at else []
    return [
        one.email,
        one.first_name,
        one.last_name,
        one.locale,
        one.timezone,
        one.brand.slug,
        one.status,
        one.status_changed_at.isoformat(timespec="seconds"),
        one.created_at.isoformat(timespec="seconds"),
        " ".join(sorted(topics)),
        " ".join(erased + suppressed),
    ]


def _traits(traits: dict[str, Any], layout: Layout) -> list[str]:
    cells = [_text(traits.get(key, "")) for key in layout.traits]
    if layout.more_traits:
        rest = {key: value for key, value in traits.items() if key not in layout.traits}
        cells.append(json.dumps(rest, ensure_ascii=False) if rest else "")
    return cells


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _opted_in(page: Sequence[Contact]) -> defaultdict[int, list[str]]:
    found = TopicSubscription.objects.filter(
        contact__in=[one.pk for one in page], state=TopicState.OPT_IN
    ).values_list("contact_id", "topic__slug")
    topics = defaultdict(list)
    for contact_id, slug in found:
        topics[contact_id].append(slug)
    return topics


def _suppressed(addresses: Collection[str]) -> defaultdict[str, list[tuple[str, int | None]]]:
    found = Suppression.objects.active().filter(address__in=addresses)
    reasons: defaultdict[str, list[tuple[str, int | None]]] = defaultdict(list)
    for address, reason, brand_id in found.values_list("address", "reason", "brand_id"):
        reasons[str(address)].append((reason, brand_id))
    return reasons


def _line(cells: Sequence[str]) -> str:
    target = StringIO(newline="")
    csv.writer(target).writerow([escape_formula(cell) for cell in cells])
    return target.getvalue()
