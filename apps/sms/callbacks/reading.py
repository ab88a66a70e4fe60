"""A call of the provider's, by GET or POST: which number, what happened, and what else it told."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson

from apps.sms import zones

if TYPE_CHECKING:
    from collections.abc import Mapping

OPT_IN, OPT_OUT, OPT_OUT_ALL, UPDATE = "optin", "optout", "optout-all", "update"
ACTIONS = (OPT_IN, OPT_OUT, OPT_OUT_ALL, UPDATE)
MOST_FIELDS = 40
LONGEST_VALUE = 500
_OWN = ("action", "list_id", "mobile_number", "mobile", "keyword")


class BadCallbackError(ValueError):
    """The call cannot be understood; the message says why, without what it told."""


@dataclass(frozen=True, slots=True)
class Told:
    """One call. `fields` has what it told besides, such as names."""

    action: str
    place: zones.Place
    list_id: str
    keyword: str
    fields: dict[str, str]

    @property
    def digest(self) -> bytes:
        told = [self.action, self.place.phone, self.list_id, self.keyword, self.fields]
        return hashlib.sha256(orjson.dumps(told, option=orjson.OPT_SORT_KEYS)).digest()


def read(parameters: Mapping[str, str]) -> Told:
    """Raises `BadCallbackError`."""
    if len(parameters) > MOST_FIELDS:
        raise BadCallbackError(f"More than {MOST_FIELDS} fields.")
    if any(len(value) > LONGEST_VALUE or "\x00" in value for value in parameters.values()):
        raise BadCallbackError(f"A field has more than {LONGEST_VALUE} characters, or a NUL.")
    action = parameters.get("action", "").strip().lower()
    if action not in ACTIONS:
        raise BadCallbackError(f"action must be one of {', '.join(ACTIONS)}.")
    number = parameters.get("mobile_number") or parameters.get("mobile") or ""
    try:
        place = zones.locate(number)
    except zones.PhoneError as error:
        raise BadCallbackError(f"mobile_number: {error}") from None
    return Told(
        action=action,
        place=place,
        list_id=parameters.get("list_id", "").strip()[:40],
        keyword=parameters.get("keyword", "").strip()[:160],
        fields={
            name[:60]: value.strip()
            for name, value in parameters.items()
            if name not in _OWN and value.strip()
        },
    )
