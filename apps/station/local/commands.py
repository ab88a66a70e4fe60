"""The command line of the station on one machine."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from apps.station.local import keeping, procfile, watching
from apps.station.local.environment import inherited, with_our_python
from apps.station.local.errors import StationError
from apps.station.local.instance import PROJECT, THROWAWAY
from apps.station.local.local_station import LocalStation
from apps.station.local.showing import print_addresses, print_states

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import FrameType

_NOT_FOUND = 127
_NOT_RUNNING = 3  # as the status of a service is told by init scripts
_HIGHEST_PORT = 65535


def run_foreground(command: Sequence[str], *, environment: Mapping[str, str]) -> int:
    """Run a command in the foreground and return its exit code (128 + n after signal n).

    A Ctrl-C of the terminal reaches the command by itself, so we only wait; a SIGTERM sent to us
    is passed on.
    """
    try:
        child = subprocess.Popen(command, env=dict(environment))
    except OSError as error:
        print(f"cannot run {command[0]}: {error.strerror}", file=sys.stderr)
        return _NOT_FOUND

    def pass_on(number: int, _: FrameType | None) -> None:
        child.send_signal(number)

    former = {
        signal.SIGINT: signal.signal(signal.SIGINT, lambda *_: None),
        signal.SIGTERM: signal.signal(signal.SIGTERM, pass_on),
        signal.SIGHUP: signal.signal(signal.SIGHUP, pass_on),
    }
    try:
        code = child.wait()
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
    return code if code >= 0 else 128 - code


def _command(arguments: argparse.Namespace) -> list[str]:
    command: list[str] = arguments.command
    if command[:1] == ["--"]:
        command = command[1:]
    if not command:
        raise StationError("no command given; expected: [options] -- COMMAND...")
    return command


def _port(text: str) -> int:
    port = int(text) if text.isdigit() else 0
    if not 1 <= port <= _HIGHEST_PORT:
        raise argparse.ArgumentTypeError(f"{text!r} is no port; expected 1 to {_HIGHEST_PORT}")
    return port


def run(arguments: argparse.Namespace) -> int:
    """Start throwaway servers, run a command with their addresses, end the servers."""
    command = _command(arguments)
    with LocalStation(
        arguments.name, durable=arguments.durable, with_valkey=arguments.valkey
    ) as station:
        return run_foreground(command, environment=station.environment)


def execute(arguments: argparse.Namespace) -> int:
    """Run a command with the environment of the station that `up` started."""
    return run_foreground(_command(arguments), environment=keeping.environment())


def up(arguments: argparse.Namespace) -> int:
    """Start the lasting station and print where it is."""
    print("starting the station ...", flush=True)
    addresses, is_new = keeping.up(preferred_port=arguments.port)
    print("the station is up" if is_new else "the station is already running")
    print_addresses(addresses)
    return 0


def down(_: argparse.Namespace) -> int:
    """End the lasting station."""
    print("the station is down" if keeping.down() else "the station was not running")
    return 0


def status(_: argparse.Namespace) -> int:
    """Print every program of the lasting station; exit code 3 where it is not running."""
    states = keeping.states()
    if not states:
        print("the station is not running")
        return _NOT_RUNNING
    print_states(states)
    return 0 if all(one.state == "RUNNING" for one in states) else 1


def program(arguments: argparse.Namespace) -> int:
    """Turn into a program of `deploy/Procfile`, with the environment there is; for systemd."""
    environment = with_our_python(inherited())
    (chosen,) = procfile.only(environment, arguments.program)
    os.chdir(PROJECT)
    os.execvpe(chosen.command[0], chosen.command, environment)  # noqa: S606 - its purpose


def watch(arguments: argparse.Namespace) -> int:
    """Kill programs that fall silent, so that the process manager starts them again."""
    watching.watch(arguments.socket, patience_seconds=arguments.patience)
    return 0


def _add_command(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="-- COMMAND...")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m apps.station.local", description=__doc__)
    verbs = parser.add_subparsers(required=True, metavar="VERB")

    running = verbs.add_parser("run", help="run a command against servers of its own")
    running.add_argument("--name", choices=THROWAWAY, default="test")
    running.add_argument("--no-valkey", dest="valkey", action="store_false")
    running.add_argument(
        "--no-durability",
        dest="durable",
        action="store_false",
        help="do not flush commits to disk: faster, for data that nobody needs",
    )
    _add_command(running)
    running.set_defaults(verb=run)

    starting = verbs.add_parser("up", help="start the lasting station and leave it running")
    starting.add_argument(
        "--port",
        type=_port,
        default=keeping.PREFERRED_PORT,
        help="of the web application; another one is taken where it is in use (%(default)s)",
    )
    starting.set_defaults(verb=up)
    verbs.add_parser("down", help="end the lasting station").set_defaults(verb=down)
    verbs.add_parser("status", help="show what runs").set_defaults(verb=status)

    turning = verbs.add_parser("program", help="become one program of deploy/Procfile")
    turning.add_argument("program")
    turning.set_defaults(verb=program)

    watcher = verbs.add_parser("watch", help="kill programs that fall silent")
    watcher.add_argument("--socket", type=Path, required=True)
    watcher.add_argument("--patience", type=float, default=watching.PATIENCE_SECONDS)
    watcher.set_defaults(verb=watch)

    executing = verbs.add_parser("exec", help="run a command within the lasting station")
    _add_command(executing)
    executing.set_defaults(verb=execute)
    return parser


def main(argv: list[str]) -> int:
    """Run the command line; returns the exit code: 1 where the station cannot do it."""
    arguments = _parser().parse_args(argv)
    try:
        return int(arguments.verb(arguments))
    except (StationError, OSError) as error:  # no space, no permission: the text has the path
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
