"""The bodies of bulk calls in the API's document, from the tables that read them."""

from __future__ import annotations

from typing import Any

from apps.sms.upserts.reading import FIELDS, OPT_IN, SUBSCRIPTIONS

_MOMENT = {"type": "string", "format": "date-time"}
_KINDS: dict[str, dict[str, Any]] = {
    "text": {"type": "string"},
    "boolean": {"type": "boolean"},
    "integer": {"type": "integer", "minimum": 0},
    "numeric": {"type": "number", "minimum": 0},
    "timestamptz": _MOMENT,
    "jsonb": {"type": "object"},
}
_ONLY = {"status": {"type": "string", "enum": ["ACTIVE", "OPTOUT"]}}
_OPT_IN = {
    "type": "object",
    "required": ["at", "source", "proof"],
    "properties": {
        "at": _MOMENT,
        "source": {"type": "string", "maxLength": 100},
        "proof": {"type": "string", "maxLength": 500},
    },
    "description": "That the person agreed: when, where, and what shows it.",
}

SUBSCRIBER: dict[str, Any] = {
    "type": "object",
    "required": ["phone"],
    "properties": {
        "phone": {"type": "string", "description": "Of the US where it names no country."},
        **{one.name: _ONLY.get(one.name, _KINDS[one.sql_type]) for one in FIELDS},
        "subscribe_wswd": {"type": "boolean", "description": "One brand, as set by an operator."},
        "subscribe_ta": {"type": "boolean", "description": "Another."},
        SUBSCRIPTIONS: {
            "type": "object",
            "additionalProperties": {"type": "boolean"},
            "description": "By the brands' slugs.",
        },
        OPT_IN: _OPT_IN,
    },
}


def one_or_many(item: dict[str, Any], *, most: int) -> dict[str, Any]:
    """A request body: one object, or a list of them."""
    many = {"type": "array", "items": item, "minItems": 1, "maxItems": most}
    return {"application/json": {"oneOf": [item, many]}}


EVENT: dict[str, Any] = {
    "type": "object",
    "required": ["type"],
    "properties": {
        "type": {"type": "string", "enum": ["click", "purchase", "keyword", "reply"]},
        "phone": {"type": "string", "description": "Whose event it is; or `email`."},
        "email": {"type": "string"},
        "event_id": {
            "type": "string",
            "maxLength": 200,
            "description": "Of your system: an event is counted once.",
        },
        "occurred_at": {**_MOMENT, "description": "Now where it is left out."},
        "message_id": {"type": "integer", "description": "Else the last text before it counts."},
        "campaign_id": {"type": "integer"},
        "value": {"type": "number", "description": "Negative for a refund."},
        "currency": {"type": "string", "maxLength": 3},
        "keyword": {"type": "string", "maxLength": 160},
    },
}
