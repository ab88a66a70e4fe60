"""The demo from its first line to its exit code."""

from __future__ import annotations

import importlib
import signal
import time
import traceback

from django.core.management import CommandError

from apps.sandbox.handle import SandboxError
from apps.station.demo.screen import Screen, short
from apps.station.demo.stage import Stage
from apps.station.demo.waiting import WaitedTooLongError
from apps.station.local.errors import StationError

INTERRUPTED = 128 + signal.SIGINT


def main() -> int:
    """Play the demo; returns 0 where ledger and log agree, 1 where they do not or a step failed."""
    screen, stage, started = Screen(), Stage(), time.monotonic()
    try:
        agrees = _play(screen, stage)
    except (KeyboardInterrupt, SystemExit) as end:
        # Commands of ours turn a Ctrl-C into an exit code; others are for whoever sent a signal.
        if isinstance(end, SystemExit) and end.code != INTERRUPTED:
            raise
        screen.say("\nInterrupted; everything that was started is stopped.")
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 - whatever it was, say where the logs are
        _explain(screen, stage, error)
        return 1
    screen.say(f"[dim]Everything is stopped; it took {time.monotonic() - started:.0f} s.[/]")
    return 0 if agrees else 1


def _play(screen: Screen, stage: Stage) -> bool:
    screen.say("[bold]Flux Station[/]: from an empty folder to campaigns that have arrived.")
    screen.say("Servers, accounts and data are this run's own; nothing outside is touched.")
    screen.chapter("The station")
    with screen.step("PostgreSQL, Valkey and stand-ins for the providers Resend and Lime"):
        stage.open()
    try:
        # Only now: models can be imported once Django has its settings.
        story = importlib.import_module("apps.station.demo.story")
        return bool(story.tell(screen, stage))
    finally:
        with screen.console.status("stopping everything ..."):
            stage.close()


def _explain(screen: Screen, stage: Stage, error: Exception) -> None:
    if not isinstance(error, StationError | WaitedTooLongError | CommandError | SandboxError):
        screen.console.print("".join(traceback.format_exception(error)), markup=False)
    if isinstance(error, WaitedTooLongError):
        screen.say(f"\nThe end of the log of {error.log}:")
        screen.console.print(stage.log_tail(error.log), markup=False, style="dim")
    screen.say("\n[bold red]The demo failed:[/]")
    screen.console.print(f"   {error}", markup=False)
    if stage.is_known:
        screen.say(f"   The logs are kept in {short(stage.folder / 'logs')}/ until the next run.")
