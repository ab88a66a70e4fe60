"""What the command line shows of a station."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from apps.station.local.keeping import LIME_USER

if TYPE_CHECKING:
    from collections.abc import Iterable

    from apps.station.local.keeping import Addresses
    from apps.station.local.supervision import ProgramState

_COLOURS = {"RUNNING": "green", "STARTING": "yellow", "STOPPING": "yellow"}


def uptime(seconds: int) -> str:
    """A duration for people: `2d 03:04:05`, without the days where there are none."""
    days, rest = divmod(seconds, 86_400)
    hours, rest = divmod(rest, 3_600)
    clock = f"{hours:02}:{rest // 60:02}:{rest % 60:02}"
    return f"{days}d {clock}" if days else clock


def print_states(states: Iterable[ProgramState]) -> None:
    """Print a table: program, state, process id, uptime."""
    table = Table("program", "state", "pid", "uptime")
    table.columns[2].justify = table.columns[3].justify = "right"
    for one in states:
        colour = _COLOURS.get(one.state, "red")
        alive = (str(one.pid), uptime(one.uptime_seconds)) if one.pid else ("", "")
        table.add_row(one.process, f"[{colour}]{one.state.lower()}[/]", *alive)
    Console().print(table)


def print_addresses(addresses: Addresses) -> None:
    """Print where the station is, and how to log in."""
    rows = {
        "web": addresses.web,
        "admin": addresses.admin,
        "  user": addresses.admin_user,
        "  password": addresses.admin_password,
        "health": addresses.health,
        "flower": addresses.flower,
        "  as": f"{addresses.admin_user}:{addresses.flower_password}" if addresses.flower else "",
        "sandbox": addresses.sandbox or "off: mails go to the real provider",
        "  API key": addresses.sandbox_key,
        "lime": addresses.lime or "off: texts go to the real provider",
        "  API id": f"{addresses.lime_key} (user {LIME_USER})" if addresses.lime else "",
        "database": addresses.database,
        "broker": addresses.broker,
    }
    for name, value in rows.items():
        if value:
            print(f"  {name:<11} {value}")
    print("  for manage.py: . .venv/bin/activate; . var/up/environment")
    print("  stop it with `make down`, look at it with `make status`; logs are in var/up/logs/")
