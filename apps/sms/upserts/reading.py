"""The fields of a subscriber as callers name them, and what becomes of each."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from apps.sms import zones
from apps.sms.upserts import values

if TYPE_CHECKING:
    from collections.abc import Mapping

    from apps.sms.upserts.values import Reader

PHONE_REQUIRED = "Phone required"
SUBSCRIPTIONS = "subscriptions"
OPT_IN = "opt_in"
PROOF_SLACK = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Field:
    """One field: its name in the API, its column, the column's type, how it is read."""

    name: str
    column: str
    sql_type: str
    read: Reader


FIELDS: tuple[Field, ...] = (
    Field("name", "name", "text", values.text(200)),
    Field("firstName", "first_name", "text", values.text(100)),
    Field("lastName", "last_name", "text", values.text(100)),
    Field("email", "email", "text", values.email),
    Field("status", "status", "text", values.choice("ACTIVE", "OPTOUT")),
    Field("hasClicked", "has_clicked", "boolean", values.flag),
    Field("hasPurchased", "has_purchased", "boolean", values.flag),
    Field("firstClickAt", "first_click_at", "timestamptz", values.moment),
    Field("firstPurchaseAt", "first_purchase_at", "timestamptz", values.moment),
    Field("totalClicks", "baseline_clicks", "integer", values.count),
    Field("totalPurchases", "baseline_purchases", "integer", values.count),
    Field("totalRevenue", "baseline_revenue", "numeric", values.revenue),
    Field("last_engagement", "last_engagement", "timestamptz", values.moment),
    Field("lastPurchaseAt", "last_purchase_at", "timestamptz", values.moment),
    Field("acq_source", "acq_source", "text", values.text(200)),
    Field("acq_campaign", "acq_campaign", "text", values.text(200)),
    Field("acq_medium", "acq_medium", "text", values.text(200)),
    Field("acq_term", "acq_term", "text", values.text(200)),
    Field("acq_content", "acq_content", "text", values.text(200)),
    Field("form_title", "form_title", "text", values.text(200)),
    Field("traits", "traits", "jsonb", values.traits),
    Field("timezone", "timezone", "text", values.timezone),
)
_BY_NAME: Mapping[str, Field] = MappingProxyType({one.name: one for one in FIELDS})


@dataclass(frozen=True, slots=True)
class Reach:
    """Which brands a caller may subscribe people to: its own, and those granted to it.

    `slugs` has them by slug; `flags` has every field `subscribe_…` there is, by its brand's slug.
    """

    brand_id: int
    actor: str
    slugs: Mapping[str, int]
    flags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class OptIn:
    """A person's word: when, where it was given, and what proves it."""

    at: datetime
    source: str
    proof: str


@dataclass(slots=True)
class Item:
    """One person as a call tells of them.

    `columns` has only what was given; `wanted` by brand whether they want its texts, `asked` the
    field which said so.
    """

    place: zones.Place
    columns: dict[str, Any] = field(default_factory=dict)
    wanted: dict[int, bool] = field(default_factory=dict)
    asked: dict[int, str] = field(default_factory=dict)
    opt_in: OptIn | None = None

    @property
    def phone(self) -> str:
        return self.place.phone

    def followed_by(self, later: Item) -> Item:
        """Both as one: what the later one says counts."""
        return Item(
            self.place,
            {**self.columns, **later.columns},
            {**self.wanted, **later.wanted},
            {**self.asked, **later.asked},
            later.opt_in or self.opt_in,
        )


Problems = dict[str, list[str]]


def read_item(given: Any, reach: Reach) -> tuple[Item | None, Problems]:
    """The person, or what is wrong with the fields, by their names."""
    if not isinstance(given, dict):
        return None, {"body": ["Must be an object: {…}."]}
    if given.get("phone") in (None, ""):
        return None, {"phone": [PHONE_REQUIRED]}
    problems: Problems = {}
    item = Item(zones.Place("", "", ""))
    for name, value in given.items():
        try:
            _take(item, name, value, reach)
        except ValueError as error:
            problems[name] = [str(error)]
    return (None, problems) if problems else (item, {})


def _take(item: Item, name: str, value: Any, reach: Reach) -> None:
    known = _BY_NAME.get(name)
    if value is None:
        raise ValueError("Must not be null; leave the field out to keep what is there.")
    if known is not None:
        item.columns[known.column] = known.read(value)
    elif name == "phone":
        item.place = _place(value)
    elif name == SUBSCRIPTIONS:
        _take_subscriptions(item, value, reach)
    elif name == OPT_IN:
        item.opt_in = _opt_in(value)
    elif name in reach.flags:
        _want(item, reach.flags[name], values.flag(value), name, reach)
    elif name.startswith("subscribe_"):
        raise ValueError("No brand has this field; an operator names it in admin.")
    else:
        raise ValueError(f"Unknown field. Known are: {', '.join(known_names(reach))}.")


def known_names(reach: Reach) -> list[str]:
    return sorted({"phone", SUBSCRIPTIONS, OPT_IN, *_BY_NAME, *reach.flags})


def _place(value: Any) -> zones.Place:
    if not isinstance(value, str):
        raise ValueError("Must be a phone number as a text.")  # noqa: TRY004 - read as the rest
    return zones.locate(value)


def _take_subscriptions(item: Item, value: Any, reach: Reach) -> None:
    if not isinstance(value, dict):
        raise ValueError('Must be an object of brands: {"slug": true}.')  # noqa: TRY004 - as above
    for slug, wanted in value.items():
        _want(item, slug, values.flag(wanted), f"{SUBSCRIPTIONS}.{slug}", reach)


def _want(item: Item, slug: str, wanted: bool, name: str, reach: Reach) -> None:  # noqa: FBT001 - a field's value
    brand_id = reach.slugs.get(slug)
    if brand_id is None:
        raise ValueError(f"This key may not touch the brand {slug}; an operator can allow it.")
    item.wanted[brand_id] = wanted
    item.asked[brand_id] = name


def _opt_in(value: Any) -> OptIn:
    if not isinstance(value, dict) or set(value) - {"at", "source", "proof"}:
        raise ValueError("Must be an object of at, source and proof.")
    source = values.text(100)(value.get("source", ""))
    proof = values.text(500)(value.get("proof", ""))
    if not source or not proof:
        raise ValueError("Needs a source (which form) and a proof (what shows that they agreed).")
    at = values.moment_of(value.get("at"))
    if at > datetime.now(tz=UTC) + PROOF_SLACK:
        raise ValueError("Must have been given by now: `at` lies in the future.")
    return OptIn(at, source, proof)
