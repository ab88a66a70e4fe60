"""`POST /api/subscribers` with 1,000 people in a call: new ones, the same again, changed ones."""

from __future__ import annotations

import statistics
import time
from http import HTTPStatus
from http.client import HTTPConnection
from typing import Any

import orjson

from apps.sms.area_codes import STATE_BY_AREA_CODE
from apps.station.local.ports import LOOPBACK
from tests.rows import Row
from tests.stations import SendingStation

GOAL_PER_SECOND = 3_000
ITEMS = 1_000
CALLS = 15
# One caller stands for many here.
ENVIRONMENT = {"FLUX_API_REQUESTS_PER_SECOND": "1000", "FLUX_API_BURST": "1000"}


def subscribers() -> list[Row]:
    """Key, throttle, validation, statements and the JSON of the answer included."""
    with SendingStation("bench", environment=ENVIRONMENT, durable=True) as running:
        token = running.desk.call("tests.benchmarks.subscribers_desk:issue_key")
        running.start("web")
        caller = _Caller(running.station.web_port, token)
        for warm in range(90, 94):  # both processes of the server
            caller.seconds(_people(warm))
        rounds: dict[str, Any] = {
            "new": _people,
            "the same again": _people,
            "changed": lambda call: [{**one, "totalClicks": 9} for one in _people(call)],
        }
        found = {
            name: ITEMS / statistics.median(caller.seconds(make(call)) for call in range(CALLS))
            for name, make in rounds.items()
        }
    return [
        Row(f"subscribers upserted, 1,000 in a call: {name}", round(rate), "a second",
            f"at least {GOAL_PER_SECOND:,}", rate >= GOAL_PER_SECOND)
        for name, rate in found.items()
    ]  # fmt: skip


class _Caller:
    """One call after the other, each over a connection of its own, as from another program."""

    def __init__(self, port: int, token: str) -> None:
        self._port = port
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def seconds(self, people: list[dict[str, Any]]) -> float:
        body = orjson.dumps(people)
        connection = HTTPConnection(LOOPBACK, self._port, timeout=60)
        started = time.perf_counter()
        connection.request("POST", "/api/subscribers", body, self._headers)
        answer = connection.getresponse()
        content = answer.read()
        took = time.perf_counter() - started
        connection.close()
        told = orjson.loads(content)
        if answer.status != HTTPStatus.OK or not told["success"] or len(told["results"]) != ITEMS:
            raise RuntimeError(f"{answer.status}: {content[:300]!r}")
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
