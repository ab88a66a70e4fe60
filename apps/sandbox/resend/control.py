"""The control API under `/_sandbox/`: figures, settings at run time, one-shot faults.

It has no authentication and answers on loopback connections only.
"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import orjson

from apps.sandbox.choices import SettingError, number, one_of, optional, read, whole
from apps.sandbox.faults import Fault, FaultKind
from apps.sandbox.journal import read_page
from apps.sandbox.resend.accounts import check_override
from apps.sandbox.resend.domains import STATUSES
from apps.sandbox.wire import Exchange, Request, Response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from apps.sandbox.resend.accounts import Account
    from apps.sandbox.resend.server import ResendServer
    from apps.sandbox.resend.settings import Settings

PREFIX = "/_sandbox/"
MAX_PAGE = 10_000
Document = dict[str, Any]


def serve(server: ResendServer, exchange: Exchange) -> None:
    """Answer a request to the control API; errors are 400, 403, 404 with an `error` text."""
    request = exchange.request
    action = _ACTIONS.get((request.method, request.path.removeprefix(PREFIX)))
    if not ipaddress.ip_address(exchange.peer).is_loopback:
        status, document = 403, {"error": "the control API answers on loopback only"}
    elif action is None:
        known = ", ".join(f"{method} {PREFIX}{path}" for method, path in _ACTIONS)
        status, document = 404, {"error": f"no such action; there are {known}"}
    else:
        status, document = _run(action, server, request)
    exchange.answer(Response(status, orjson.dumps(document, option=orjson.OPT_NON_STR_KEYS)))


Action = Callable[["ResendServer", Request], Document]


def _run(action: Action, server: ResendServer, request: Request) -> tuple[int, Document]:
    try:
        return 200, action(server, request)
    except SettingError as error:
        return 400, {"error": str(error)}


def _body(request: Request) -> Document:
    try:
        body = orjson.loads(request.body or b"{}")
    except orjson.JSONDecodeError as error:
        raise SettingError(f"the body is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise SettingError("the body needs to be a JSON object")
    return body


def _stats(server: ResendServer, _: Request) -> Document:
    figures = server.figures
    peaks = {account.name: account.peak.peak for account in server.accounts}
    return {
        "requests": dict(figures.requests),
        "sends": server.faults.count,
        "accepted": server.acceptance.count,
        "replayed": figures.replayed,
        "refused_429": dict(figures.refused),
        "faults": dict(server.faults.drawn),
        "max_requests_per_second": max(peaks.values()),
        "max_requests_per_second_by_account": peaks,
        "webhooks": {**asdict(server.courier.figures), "pending": server.courier.pending},
        "cpu_seconds": time.process_time(),
        "uptime_seconds": figures.uptime_seconds,
    }


def _get_config(server: ResendServer, _: Request) -> Document:
    return _config(server)


def _config(server: ResendServer) -> Document:
    accounts = {
        account.name: {"settings": account.overrides, "domains": account.domains.statuses()}
        for account in server.accounts
    }
    return {**asdict(server.settings), "accounts": accounts}


def _put_config(server: ResendServer, request: Request) -> Document:
    """Back to the settings of the start, then apply the given ones. Domains stay as they are."""
    changes = _changes(server, request, server.initial)
    for account in server.accounts:
        account.overrides = dict(account.initial_overrides)
    return _apply(server, changes)


def _patch_config(server: ResendServer, request: Request) -> Document:
    return _apply(server, _changes(server, request, server.settings))


@dataclass(frozen=True, slots=True)
class _Changes:
    """A checked change of the configuration; applying it cannot fail half-way."""

    settings: Settings
    domains: list[tuple[Account, str, str]]
    overrides: list[tuple[Account, str, object]]


def _changes(server: ResendServer, request: Request, base: Settings) -> _Changes:
    """Settings by name; `domains` {name: status} for all accounts; `accounts` {name: both}."""
    body = _body(request)
    accounts = _mapping("accounts", body.pop("accounts", {}))
    shared = _statuses(body.pop("domains", {}))
    changes = _Changes(base.changed(body), [], [])
    for account in server.accounts:
        changes.domains.extend((account, *item) for item in shared)
    for name, given in accounts.items():
        account, own = server.accounts.named(name), dict(_mapping(name, given))
        changes.domains.extend((account, *item) for item in _statuses(own.pop("domains", {})))
        for setting, value in own.items():
            check_override(setting, value)
            changes.overrides.append((account, setting, value))
    return changes


def _apply(server: ResendServer, changes: _Changes) -> Document:
    for account, name, status in changes.domains:
        account.domains.put(name, status=status, created_at=time.time())
    for account, name, value in changes.overrides:
        account.overrides[name] = value
    server.configure(changes.settings)
    return _config(server)


def _statuses(given: object) -> list[tuple[str, str]]:
    domains = _mapping("domains", given)
    for name, status in domains.items():
        if status not in STATUSES:
            raise SettingError(f"domains: {name} needs one of {', '.join(STATUSES)}")
    return [(name.lower(), status) for name, status in domains.items()]


def _mapping(name: str, value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise SettingError(f"{name}: expected an object, found {value!r}")
    return value


def _reset(server: ResendServer, _: Request) -> Document:
    server.reset()
    return {"reset": True}


def _accepted(server: ResendServer, request: Request) -> Document:
    """A page of the log of accepted messages; `next_offset` is where the next one starts."""
    query = {name: values[-1] for name, values in parse_qs(request.query).items()}
    offset = read("offset", whole(0), query.get("offset", "0"))
    limit = min(read("limit", whole(1), query.get("limit", "1000")), MAX_PAGE)
    lines, next_offset = read_page(server.acceptance.journal.path, offset=offset, limit=limit)
    return {"data": [orjson.loads(line) for line in lines], "next_offset": next_offset}


def _next_fault(server: ResendServer, request: Request) -> Document:
    """Let the next `count` sends fail: `{"kind", "count": 1, "seconds": null}`."""
    body = _body(request)
    kind = FaultKind(read("kind", one_of(*FaultKind), body.get("kind")))
    fault = Fault(kind, read("seconds", optional(number(0)), body.get("seconds")))
    count = read("count", whole(1), body.get("count", 1))
    server.faults.add_next(fault, count=count)
    return {"kind": kind, "count": count, "seconds": fault.seconds}


_ACTIONS: dict[tuple[str, str], Action] = {
    ("GET", "stats"): _stats,
    ("GET", "config"): _get_config,
    ("PUT", "config"): _put_config,
    ("PATCH", "config"): _patch_config,
    ("POST", "reset"): _reset,
    ("GET", "accepted"): _accepted,
    ("POST", "next-fault"): _next_fault,
}
