"""What the benchmark of subscribers does inside a station's desk, where Django is set up."""

from __future__ import annotations

import statistics
import time
from http import HTTPStatus
from typing import Any

import orjson
from django.test import Client

from apps.brands import keys
from apps.brands.models import Brand
from apps.sms.area_codes import STATE_BY_AREA_CODE
from apps.sms.models import SubscribeFlag

ITEMS = 1000
CALLS = 15


def time_upserts() -> dict[str, float]:
    """People a second, the median of `CALLS` calls of each kind."""
    brand = Brand.objects.order_by("pk").first()
    assert brand is not None
    SubscribeFlag.objects.get_or_create(field="subscribe_wswd", defaults={"brand": brand})
    issued = keys.issue(brand=brand, name="bench", scopes=["subscribers:write"], by="bench")
    _post(issued.token, _people(90))  # warm
    rounds: dict[str, Any] = {
        "new": _people,
        "the same again": _people,
        "changed": lambda call: [{**one, "totalClicks": 9} for one in _people(call)],
    }
    return {
        name: ITEMS / statistics.median(_post(issued.token, make(call)) for call in range(CALLS))
        for name, make in rounds.items()
    }


def _post(token: str, people: list[dict[str, Any]]) -> float:
    body = orjson.dumps(people)
    client = Client(headers={"authorization": f"Bearer {token}", "host": "localhost"})
    started = time.perf_counter()
    answer = client.post("/api/subscribers", body, content_type="application/json")
    took = time.perf_counter() - started
    assert answer.status_code == HTTPStatus.OK, answer.content[:300]
    assert len(answer.json()["results"]) == ITEMS
    assert answer.json()["success"], answer.content[:300]
    return took


def _people(call: int) -> list[dict[str, Any]]:
    codes = sorted(STATE_BY_AREA_CODE)
    return [_person(codes[n % len(codes)], call, n) for n in range(ITEMS)]


def _person(code: str, call: int, number: int) -> dict[str, Any]:
    return {
        "phone": f"+1{code}{2_000_000 + call * ITEMS + number}",
        "firstName": f"Anna {number}",
        "lastName": "Park",
        "email": f"anna{call}.{number}@example.com",
        "subscribe_wswd": True,
        "hasClicked": True,
        "firstClickAt": "2025-01-02T03:04:05Z",
        "totalClicks": 7,
        "totalPurchases": 2,
        "totalRevenue": 59.9,
        "last_engagement": "2025-02-02T03:04:05Z",
        "acq_source": "google",
        "acq_campaign": "spring",
        "form_title": "Join us",
        "traits": {"size": 9, "likes": ["red", "blue"]},
    }
