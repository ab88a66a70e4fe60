"""The command line of the station on one machine."""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

from apps.station.local.errors import StationError
from apps.station.local.instance import THROWAWAY
from apps.station.local.local_station import LocalStation

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import FrameType

_NOT_FOUND = 127


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


def run(arguments: argparse.Namespace) -> int:
    """Start throwaway servers, run a command with their addresses, end the servers."""
    command = arguments.command
    if command[:1] == ["--"]:
        command = command[1:]
    if not command:
        raise StationError("run: no command given; expected: run [options] -- COMMAND...")
    with LocalStation(
        arguments.name, durable=arguments.durable, with_valkey=arguments.valkey
    ) as station:
        return run_foreground(command, environment=station.environment)


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
    running.add_argument("command", nargs=argparse.REMAINDER, metavar="-- COMMAND...")
    running.set_defaults(verb=run)
    return parser


def main(argv: list[str]) -> int:
    """Run the command line; returns the exit code: 1 where the station cannot do it."""
    arguments = _parser().parse_args(argv)
    try:
        return int(arguments.verb(arguments))
    except StationError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
