"""Posts signed events at a steady rate and times the answers; a process of its own.

    python -m tests.benchmarks.webhook_sender '{"port": 8000, "token": "…", "secret": "whsec_…",
        "rate": 500, "seconds": 20, "connections": 40}'

Arrivals do not wait for each other (an open loop): each answer's time counts from when the event
was due, so that a server that stalls is not spared what it kept waiting. Every 50th event comes
twice, every 97th is forged and every 89th is an old one, replayed.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
import uuid
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import uvloop

from apps.sandbox.resend.webhooks import sign

DOUBLE, FORGED, REPLAYED = 50, 97, 89
WRONG_SECRET = "whsec_d3Jvbmcgc2VjcmV0IG9mIGEgZm9yZ2Vy"
ANSWER = b"\r\n\r\n"


def make(order: dict[str, Any], number: int, run: str) -> bytes:
    """One request, ready to be written."""
    kind = "forged" if number % FORGED == 0 else "replayed" if number % REPLAYED == 0 else ""
    event_id = f"msg_{run}_{number - (number % DOUBLE == 0)}{kind}"
    timestamp = int(time.time()) - (1_000 if kind == "replayed" else 0)
    body = json.dumps(
        {
            "type": "email.delivered",
            "created_at": datetime.now(tz=UTC).isoformat(),
            "data": {
                "email_id": str(uuid.uuid4()),
                "from": "Harbour <news@harbour.example>",
                "to": [f"person{number}@people.example"],
                "subject": "Your news",
                "tags": {"mailing": "1", "message": str(number)},
                "headers": [{"name": "List-Unsubscribe", "value": "<https://" + "x" * 200 + ">"}],
            },
        }
    ).encode()
    secret = WRONG_SECRET if kind == "forged" else order["secret"]
    signature = sign(secret, message_id=event_id, timestamp=timestamp, body=body)
    head = (
        f"POST /webhooks/resend/{order['token']}/ HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nsvix-id: {event_id}\r\n"
        f"svix-timestamp: {timestamp}\r\nsvix-signature: {signature}\r\n\r\n"
    )
    return head.encode() + body


async def lane(order: dict[str, Any], due: asyncio.Queue[Any], told: list[Any]) -> None:
    """One keep-alive connection."""
    reader = writer = None
    while (item := await due.get()) is not None:
        at, request = item
        try:
            if writer is None or reader is None:
                reader, writer = await asyncio.open_connection("127.0.0.1", order["port"])
            writer.write(request)
            head = await reader.readuntil(ANSWER)
            length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
            await reader.readexactly(length)
            told.append((time.perf_counter() - at, head[9:12].decode()))
            if b"connection: close" in head.lower():
                writer = None
        except (OSError, asyncio.IncompleteReadError) as error:
            told.append((time.perf_counter() - at, type(error).__name__))
            writer = None


async def run(order: dict[str, Any]) -> dict[str, Any]:
    number = int(order["rate"] * order["seconds"])
    mark = uuid.uuid4().hex[:12]
    requests = [make(order, n, mark) for n in range(1, number + 1)]
    due: asyncio.Queue[Any] = asyncio.Queue()
    told: list[Any] = []
    lanes = [asyncio.create_task(lane(order, due, told)) for _ in range(order["connections"])]
    started = time.perf_counter()
    for n, request in enumerate(requests):
        at = started + n / order["rate"]
        if (wait := at - time.perf_counter()) > 0:
            await asyncio.sleep(wait)
        due.put_nowait((at, request))
    for _ in lanes:
        due.put_nowait(None)
    await asyncio.gather(*lanes)
    times = sorted(one for one, _ in told)
    return {
        "sent": number,
        "seconds": time.perf_counter() - started,
        "p50_ms": times[len(times) // 2] * 1000,
        "p99_ms": times[int(len(times) * 0.99)] * 1000,
        "max_ms": times[-1] * 1000,
        "answers": Counter(status for _, status in told),
        "run": mark,
    }


if __name__ == "__main__":
    print(json.dumps(uvloop.run(run(json.loads(sys.argv[1])))))
