"""What the control APIs under `/_sandbox/` have in common.

They have no authentication and answer on loopback connections only.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import parse_qs

import orjson

from apps.sandbox.choices import SettingError, number, one_of, optional, read, whole
from apps.sandbox.faults import Fault, FaultKind
from apps.sandbox.journal import read_page
from apps.sandbox.wire import Exchange, Request, Response

if TYPE_CHECKING:
    from pathlib import Path

    from apps.sandbox.faults import FaultPlan

PREFIX = "/_sandbox/"
MAX_PAGE = 10_000
Document = dict[str, Any]
ServerT = TypeVar("ServerT")
Action = Callable[[ServerT, Request], Document]


def serve(
    actions: Mapping[tuple[str, str], Action[ServerT]], server: ServerT, exchange: Exchange
) -> None:
    """Answer a request to the control API; errors are 400, 403, 404 with an `error` text."""
    request = exchange.request
    action = actions.get((request.method, request.path.removeprefix(PREFIX)))
    if not ipaddress.ip_address(exchange.peer).is_loopback:
        status, document = 403, {"error": "the control API answers on loopback only"}
    elif action is None:
        known = ", ".join(f"{method} {PREFIX}{path}" for method, path in actions)
        status, document = 404, {"error": f"no such action; there are {known}"}
    else:
        status, document = _run(action, server, request)
    exchange.answer(Response(status, orjson.dumps(document, option=orjson.OPT_NON_STR_KEYS)))


def _run(action: Action[ServerT], server: ServerT, request: Request) -> tuple[int, Document]:
    try:
        return 200, action(server, request)
    except SettingError as error:
        return 400, {"error": str(error)}


def body_of(request: Request) -> Document:
    """The JSON object a request carries; SettingError for anything else."""
    try:
        body = orjson.loads(request.body or b"{}")
    except orjson.JSONDecodeError as error:
        raise SettingError(f"the body is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise SettingError("the body needs to be a JSON object")
    return body


def log_page(path: Path, request: Request) -> Document:
    """A page of a log; `next_offset` is where the next one starts."""
    query = {name: values[-1] for name, values in parse_qs(request.query).items()}
    offset = read("offset", whole(0), query.get("offset", "0"))
    limit = min(read("limit", whole(1), query.get("limit", "1000")), MAX_PAGE)
    lines, next_offset = read_page(path, offset=offset, limit=limit)
    return {"data": [orjson.loads(line) for line in lines], "next_offset": next_offset}


def plan_fault(faults: FaultPlan, request: Request) -> Document:
    """Let the next `count` sends fail: `{"kind", "count": 1, "seconds": null}`."""
    body = body_of(request)
    kind = FaultKind(read("kind", one_of(*FaultKind), body.get("kind")))
    fault = Fault(kind, read("seconds", optional(number(0)), body.get("seconds")))
    count = read("count", whole(1), body.get("count", 1))
    faults.add_next(fault, count=count)
    return {"kind": kind, "count": count, "seconds": fault.seconds}
