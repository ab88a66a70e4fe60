"""A subscriber as the API shows it, in the names that callers give it by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from apps.sms.models import Subscriber, Subscription
from apps.sms.upserts.reading import FIELDS, SUBSCRIPTIONS, Item

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from apps.sms.upserts.reading import Reach

_TOTALS = {
    "totalClicks": ("baseline_clicks", "total_clicks"),
    "totalPurchases": ("baseline_purchases", "total_purchases"),
    "totalRevenue": ("baseline_revenue", "total_revenue"),
}
_PLAIN = {one.name: one.column for one in FIELDS if one.name not in _TOTALS}
_ALWAYS = ("id", "phone", "status", "timezone", "state", "created_at", "updated_at")
_MORE = (
    "state",
    "zone_source",
    "opted_in_at",
    "opt_in_source",
    "opted_out_at",
    "verified_at",
    "first_touch",
    "last_touch",
    "created_at",
    "updated_at",
)
_COLUMNS = (
    "id",
    "phone",
    *_PLAIN.values(),
    *_MORE,
    *(column for pair in _TOTALS.values() for column in pair),
)


def show_many(ids: Collection[int], reach: Reach) -> dict[int, dict[str, Any]]:
    """By id, as they stand; two queries. Permissions are shown for the caller's brands only."""
    rows = Subscriber.objects.filter(pk__in=ids).values(*_COLUMNS)
    permissions = _permissions(ids, reach)
    return {row["id"]: _shown(row, permissions.get(row["id"], {}), reach) for row in rows}


def hide_foreign(shown: dict[str, Any], item: Item) -> dict[str, Any]:
    """Without what other brands know of the person: only what always shows and what was given."""
    if shown[SUBSCRIPTIONS]:
        return shown
    given = {one.name for one in FIELDS if one.column in item.columns and one.name not in _TOTALS}
    return {name: value for name, value in shown.items() if name in given or name in _ALWAYS}


def _permissions(ids: Collection[int], reach: Reach) -> dict[int, dict[int, dict[str, Any]]]:
    rows: Iterable[Any] = Subscription.objects.filter(
        subscriber_id__in=ids, brand_id__in=reach.slugs.values()
    ).values(
        "subscriber_id",
        "brand_id",
        "active",
        "opted_in_at",
        "opted_out_at",
        "verified_at",
        "source",
    )
    found: dict[int, dict[int, dict[str, Any]]] = {}
    for row in rows:
        found.setdefault(row.pop("subscriber_id"), {})[row.pop("brand_id")] = row
    return found


def _shown(
    row: Mapping[str, Any], permissions: Mapping[int, dict[str, Any]], reach: Reach
) -> dict[str, Any]:
    own = {slug: permissions[pk] for slug, pk in reach.slugs.items() if pk in permissions}
    shown: dict[str, Any] = {"id": row["id"], "phone": row["phone"]}
    shown |= {name: row[column] for name, column in _PLAIN.items()}
    shown |= {name: row[name] for name in _MORE}
    shown |= {name: row[given] + row[counted] for name, (given, counted) in _TOTALS.items()}
    shown["imported"] = {name: row[given] for name, (given, _) in _TOTALS.items()}
    shown["counted"] = {name: row[counted] for name, (_, counted) in _TOTALS.items()}
    shown[SUBSCRIPTIONS] = own
    for field, slug in reach.flags.items():
        if slug in reach.slugs:
            shown[field] = bool(own.get(slug, {}).get("active"))
    return shown
