"""Writing up to a thousand subscribers in a constant number of statements.

What a caller did not give stays as it is, and a repetition writes nothing. Who texted STOP, or
left otherwise, is not brought back by a caller's word alone: it takes an opt-in (`opt_in`) that
the person gave after they left. What was refused so is told (`Saved.kept_out`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson
from django.db import connection, transaction

from apps.sms import config, digests, leaving, zones
from apps.sms.models import Subscriber
from apps.sms.upserts.reading import FIELDS, Item

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from apps.sms.upserts.reading import Reach

ACTIVE, OPTOUT = "ACTIVE", "OPTOUT"


@dataclass(slots=True)
class Saved:
    """What became of one number. `kept_out` names the fields that would have brought it back."""

    id: int
    created: bool
    kept_out: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Known:
    id: int
    status: str
    opted_out_at: datetime | None


@transaction.atomic
def save(*, items: Sequence[Item], reach: Reach) -> dict[str, Saved]:
    """Adds or changes the people; by number what became of each. Erased numbers are left out.

    Several items of one number count as one, the later with the last word.
    """
    digests.hold_off_erasing()
    people = _by_phone(items)
    for phone in digests.find_erased(people):
        del people[phone]
    saved = _insert(people, reach)
    known = _lock([phone for phone in people if phone not in saved])
    saved |= {phone: Saved(one.id, created=False) for phone, one in known.items()}
    _update(people, known, saved, reach)
    _leave(people, known, saved, reach)
    _subscribe(people, saved, reach)
    return saved


def _by_phone(items: Iterable[Item]) -> dict[str, Item]:
    people: dict[str, Item] = {}
    for item in items:
        before = people.get(item.phone)
        people[item.phone] = before.followed_by(item) if before else item
    return people


def _insert(people: dict[str, Item], reach: Reach) -> dict[str, Saved]:
    if not people:
        return {}
    usual = default_zone(reach.brand_id)
    rows = [_new_row(person, usual, reach) for person in people.values()]
    with connection.cursor() as cursor:
        cursor.execute(_INSERT, [orjson.dumps(rows).decode()])
        return {phone: Saved(number, created=True) for number, phone in cursor.fetchall()}


def default_zone(brand_id: int) -> str:
    """What holds for a number that tells no zone: given once, when the number is added."""
    brand = config.effective(brand_id)
    if brand.eastern_western_intersection:
        return zones.ZONE_SEPARATOR.join(("America/Los_Angeles", "America/New_York"))
    return brand.default_zone


def _new_row(person: Item, usual_zone: str, reach: Reach) -> dict[str, Any]:
    row = {**person.columns, "phone": person.phone, "state": person.place.state}
    if row.get("timezone"):
        row["zone_source"] = Subscriber.ZoneSource.GIVEN
    elif person.place.timezone:
        row["timezone"], row["zone_source"] = person.place.timezone, Subscriber.ZoneSource.NUMBER
    else:
        row["timezone"], row["zone_source"] = usual_zone, Subscriber.ZoneSource.BRAND
    return row | _consent(person, reach)


def _consent(person: Item, reach: Reach) -> dict[str, Any]:
    """When, where and why the person opted in, as far as the call tells."""
    if person.opt_in is not None:
        at, source, proof = person.opt_in.at, person.opt_in.source, person.opt_in.proof
        return {"opted_in_at": at, "opt_in_source": source, "opt_in_proof": proof}
    if any(person.wanted.values()):
        return {"opt_in_source": reach.actor[:100]}
    return {}


def _lock(phones: list[str]) -> dict[str, _Known]:
    if not phones:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(_LOCK, [phones])
        return {phone: _Known(*rest) for phone, *rest in cursor.fetchall()}


def _update(
    people: dict[str, Item], known: dict[str, _Known], saved: dict[str, Saved], reach: Reach
) -> None:
    rows = []
    for phone, before in known.items():
        person = people[phone]
        row = {**person.columns, "id": before.id} | _zone_change(person)
        if before.status == OPTOUT and row.get("status") != OPTOUT:
            _return(row, person, before, saved[phone], reach)
        rows.append(row)
    if rows:
        with connection.cursor() as cursor:
            cursor.execute(_UPDATE, [orjson.dumps(rows).decode()])


def _zone_change(person: Item) -> dict[str, Any]:
    given = person.columns.get("timezone")
    if given is None:
        return {}
    if given:
        return {"zone_source": Subscriber.ZoneSource.GIVEN}
    if person.place.timezone:
        return {"timezone": person.place.timezone, "zone_source": Subscriber.ZoneSource.NUMBER}
    return {"timezone": zones.DEFAULT_TIMEZONE, "zone_source": Subscriber.ZoneSource.BRAND}


def _return(row: dict[str, Any], person: Item, before: _Known, saved: Saved, reach: Reach) -> None:
    """Somebody who left altogether: back with a fresh opt-in, else out."""
    asks = row.get("status") == ACTIVE or any(person.wanted.values())
    if asks and _is_fresh(person, before.opted_out_at):
        row |= {"status": ACTIVE} | _consent(person, reach)
        return
    if row.pop("status", None) == ACTIVE:
        saved.kept_out.append("status")
    _keep_out(person, saved)


def _is_fresh(person: Item, left_at: datetime | None) -> bool:
    return person.opt_in is not None and (left_at is None or person.opt_in.at > left_at)


def _leave(
    people: dict[str, Item], known: dict[str, _Known], saved: dict[str, Saved], reach: Reach
) -> None:
    """Who is told to be out is out of every brand, whatever else the same call wants."""
    gone = [phone for phone, person in people.items() if person.columns.get("status") == OPTOUT]
    for phone in gone:
        _keep_out(people[phone], saved[phone])
    present = [known[phone].id for phone in gone if phone in known]
    if present:
        leaving.opt_out_everywhere(subscriber_ids=present, source=reach.actor[:100])


def _keep_out(person: Item, saved: Saved) -> None:
    for brand_id, wanted in person.wanted.items():
        if wanted:
            saved.kept_out.append(person.asked[brand_id])
    person.wanted = {brand: wanted for brand, wanted in person.wanted.items() if not wanted}


def _subscribe(people: dict[str, Item], saved: dict[str, Saved], reach: Reach) -> None:
    """Sets the brands' permissions; those who left keep out (see above)."""
    present = _subscriptions(people, saved)
    rows = []
    for phone, person in people.items():
        for brand_id, wanted in person.wanted.items():
            subscriber_id = saved[phone].id
            active, left_at = present.get((subscriber_id, brand_id), (None, None))
            if active is wanted:
                continue
            if wanted and active is False and not _is_fresh(person, left_at):
                saved[phone].kept_out.append(person.asked[brand_id])
                continue
            rows.append(_subscription_row(subscriber_id, brand_id, person, reach))
    if rows:
        with connection.cursor() as cursor:
            cursor.execute(_SUBSCRIBE, [orjson.dumps(rows).decode()])


def _subscriptions(
    people: dict[str, Item], saved: dict[str, Saved]
) -> dict[tuple[int, int], tuple[bool, datetime | None]]:
    known = [
        saved[phone].id
        for phone, person in people.items()
        if person.wanted and not saved[phone].created
    ]
    if not known:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(_SUBSCRIPTIONS, [known])
        return {(one, brand): (active, left) for one, brand, active, left in cursor.fetchall()}


def _subscription_row(
    subscriber_id: int, brand_id: int, person: Item, reach: Reach
) -> dict[str, Any]:
    told = person.opt_in
    return {
        "subscriber_id": subscriber_id,
        "brand_id": brand_id,
        "active": person.wanted[brand_id],
        "opted_in_at": told.at if told else None,
        "source": told.source if told else reach.actor[:100],
        "proof": told.proof if told else "",
    }


_TYPES = {one.column: one.sql_type for one in FIELDS} | {
    "zone_source": "text",
    "opted_in_at": "timestamptz",
    "opt_in_source": "text",
    "opt_in_proof": "text",
}
_RECORD = ", ".join(f"{column} {sql_type}" for column, sql_type in _TYPES.items())
_EMPTY = {
    "text": "''",
    "boolean": "false",
    "integer": "0",
    "numeric": "0",
    "jsonb": "'{}'",
    "timestamptz": "NULL",
}


def _first_value(column: str) -> str:
    if column == "email":
        return "nullif(given.email, '')"
    if column == "status":
        return "coalesce(given.status, 'ACTIVE')"
    if column == "opted_in_at":
        # Somebody asked for texts: the moment they were told of is the best there is.
        asked = "CASE WHEN given.opt_in_source <> '' THEN statement_timestamp() END"
        return f"coalesce(given.opted_in_at, {asked})"
    return f"coalesce(given.{column}, {_EMPTY[_TYPES[column]]})"


def _next_value(column: str) -> str:
    if column == "email":
        return "CASE WHEN given.email IS NULL THEN old.email ELSE nullif(given.email, '') END"
    return f"coalesce(given.{column}, old.{column})"


# Always in the order of the numbers, so that two calls never wait for each other crosswise.
_INSERT = f"""
INSERT INTO sms_subscriber (phone, state, opted_out_at, {", ".join(_TYPES)})
SELECT given.phone, given.state, CASE WHEN given.status = 'OPTOUT' THEN statement_timestamp() END,
    {", ".join(map(_first_value, _TYPES))}
FROM json_to_recordset(%s::json) AS given (phone text, state text, {_RECORD})
ORDER BY given.phone COLLATE "C"
ON CONFLICT (phone) DO NOTHING
RETURNING id, phone
"""

_LOCK = """
SELECT phone, id, status, opted_out_at FROM sms_subscriber
WHERE phone = ANY(%s) ORDER BY phone FOR NO KEY UPDATE
"""

_UPDATE = f"""
UPDATE sms_subscriber AS old SET
    {", ".join(f"{column} = {_next_value(column)}" for column in _TYPES)},
    opted_out_at = CASE
        WHEN given.status = 'OPTOUT' AND old.status = 'ACTIVE' THEN statement_timestamp()
        WHEN given.status = 'ACTIVE' THEN NULL
        ELSE old.opted_out_at END,
    updated_at = statement_timestamp()
FROM json_to_recordset(%s::json) AS given (id bigint, {_RECORD})
WHERE old.id = given.id
  AND ({", ".join(f"old.{column}" for column in _TYPES)})
      IS DISTINCT FROM ({", ".join(map(_next_value, _TYPES))})
"""

_SUBSCRIPTIONS = """
SELECT subscriber_id, brand_id, active, opted_out_at FROM sms_subscription
WHERE subscriber_id = ANY(%s)
"""

# `verified_at` is the list sync's alone: who comes back is asked for at the provider again.
_SUBSCRIBE = """
INSERT INTO sms_subscription
    (subscriber_id, brand_id, active, opted_in_at, opted_out_at, source, proof)
SELECT subscriber_id, brand_id, active,
    CASE WHEN active THEN coalesce(opted_in_at, statement_timestamp()) END,
    CASE WHEN NOT active THEN statement_timestamp() END, source, proof
FROM json_to_recordset(%s::json) AS given (subscriber_id bigint, brand_id bigint, active boolean,
    opted_in_at timestamptz, source text, proof text)
ORDER BY brand_id, subscriber_id
ON CONFLICT (brand_id, subscriber_id) DO UPDATE SET
    active = excluded.active,
    opted_in_at = coalesce(excluded.opted_in_at, sms_subscription.opted_in_at),
    opted_out_at = excluded.opted_out_at,
    source = excluded.source,
    proof = CASE WHEN excluded.active THEN excluded.proof ELSE sms_subscription.proof END,
    verified_at = CASE WHEN excluded.active THEN NULL ELSE sms_subscription.verified_at END,
    updated_at = statement_timestamp()
WHERE sms_subscription.active <> excluded.active
"""
