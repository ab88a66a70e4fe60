"""The control API under `/_sandbox/`: figures, settings at run time, faults, people's choices."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from apps.sandbox import control
from apps.sandbox.choices import SettingError, one_of, read, text
from apps.sandbox.control import Action, Document, body_of, log_page, plan_fault
from apps.sandbox.lime.callbacks import ACTIONS
from apps.sandbox.lime.numbers import normal

if TYPE_CHECKING:
    from apps.sandbox.lime.server import LimeServer
    from apps.sandbox.lime.settings import Settings
    from apps.sandbox.wire import Exchange, Request


def serve(server: LimeServer, exchange: Exchange) -> None:
    """Answer a request to the control API; errors are 400, 403, 404 with an `error` text."""
    control.serve(_ACTIONS, server, exchange)


def _stats(server: LimeServer, _: Request) -> Document:
    peaks = {user.name: user.peak.peak for user in server.users}
    callbacks = {**asdict(server.courier.figures), "pending": server.courier.pending}
    return {
        **server.figures.document(),
        "sends": server.faults.count,
        "faults": dict(server.faults.drawn),
        "max_requests_per_second": max(peaks.values()),
        "callbacks": callbacks,
    }


def _get_config(server: LimeServer, _: Request) -> Document:
    return _config(server.settings)


def _config(settings: Settings) -> Document:
    lists = {list_id: str(span) for list_id, span in settings.lists.items()}
    return {**asdict(settings), "lists": lists}


def _put_config(server: LimeServer, request: Request) -> Document:
    """Back to the settings of the start, then apply the given ones."""
    server.settings = server.initial.changed(body_of(request))
    return _config(server.settings)


def _patch_config(server: LimeServer, request: Request) -> Document:
    server.settings = server.settings.changed(body_of(request))
    return _config(server.settings)


def _reset(server: LimeServer, _: Request) -> Document:
    server.reset()
    return {"reset": True}


def _accepted(server: LimeServer, request: Request) -> Document:
    return log_page(server.acceptance.lines.journal.path, request)


def _next_fault(server: LimeServer, request: Request) -> Document:
    return plan_fault(server.faults, request)


def _happen(server: LimeServer, request: Request) -> Document:
    """Let a person join, leave or change: `{"action", "mobile", "list_id", ...}`, and tell it.

    What else is given, such as `firstName` or `zipcode`, travels in the callback.
    """
    body = body_of(request)
    action = read("action", one_of(*ACTIONS), body.pop("action", None))
    mobile = normal(read("mobile", text, body.pop("mobile", None)))
    if mobile is None:
        raise SettingError("mobile: expected 10 to 15 digits")
    list_id = str(body.pop("list_id", ""))
    if not list_id and action in {"optin", "optout"}:
        raise SettingError(f"list_id: {action} needs one")
    more = {name: str(value) for name, value in body.items()}
    server.membership.happen(
        server.settings, action=action, mobile=mobile, list_id=list_id, more=more
    )
    return {"action": action, "mobile": mobile, "list_id": list_id}


_ACTIONS: dict[tuple[str, str], Action[LimeServer]] = {
    ("GET", "stats"): _stats,
    ("GET", "config"): _get_config,
    ("PUT", "config"): _put_config,
    ("PATCH", "config"): _patch_config,
    ("POST", "reset"): _reset,
    ("GET", "accepted"): _accepted,
    ("POST", "next-fault"): _next_fault,
    ("POST", "happen"): _happen,
}
