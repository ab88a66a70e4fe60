"""The control API under `/_sandbox/`: figures, settings at run time, one-shot faults.

It has no authentication and answers on loopback connections only.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from apps.sandbox import control
from apps.sandbox.choices import SettingError
from apps.sandbox.control import Action, Document, body_of, log_page, plan_fault
from apps.sandbox.resend.accounts import check_override
from apps.sandbox.resend.domains import STATUSES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from apps.sandbox.resend.accounts import Account
    from apps.sandbox.resend.server import ResendServer
    from apps.sandbox.resend.settings import Settings
    from apps.sandbox.wire import Exchange, Request


def serve(server: ResendServer, exchange: Exchange) -> None:
    """Answer a request to the control API; errors are 400, 403, 404 with an `error` text."""
    control.serve(_ACTIONS, server, exchange)


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
        "contact_faults": dict(server.contact_faults.drawn),
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
    body = body_of(request)
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
    return log_page(server.acceptance.journal.path, request)


def _next_fault(server: ResendServer, request: Request) -> Document:
    return plan_fault(server.faults, request)


def _next_contact_fault(server: ResendServer, request: Request) -> Document:
    return plan_fault(server.contact_faults, request)


_ACTIONS: dict[tuple[str, str], Action[ResendServer]] = {
    ("GET", "stats"): _stats,
    ("GET", "config"): _get_config,
    ("PUT", "config"): _put_config,
    ("PATCH", "config"): _patch_config,
    ("POST", "reset"): _reset,
    ("GET", "accepted"): _accepted,
    ("POST", "next-fault"): _next_fault,
    ("POST", "next-contact-fault"): _next_contact_fault,
}
