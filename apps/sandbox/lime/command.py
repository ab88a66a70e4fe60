"""The command line of the stand-in: `python -m apps.sandbox lime ...`."""

from __future__ import annotations

import argparse
from pathlib import Path

from apps.sandbox.choices import SettingError
from apps.sandbox.journal import Journal
from apps.sandbox.lime.server import LimeServer
from apps.sandbox.lime.settings import FIELDS, Settings
from apps.sandbox.lime.users import Users
from apps.sandbox.serving import Listener, run


def main(arguments: list[str]) -> int:
    parser = build_parser()
    options = parser.parse_args(arguments)
    try:
        server = build_server(options)
    except SettingError as error:
        parser.error(str(error))
    run(
        server,
        Listener(
            name="lime sandbox",
            host=options.host,
            port=options.port,
            port_file=options.port_file,
            until_stdin_closes=options.until_stdin_closes,
        ),
    )
    return 0


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m apps.sandbox lime", description="A stand-in for the Lime Cellular API."
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 picks a free one")
    parser.add_argument("--port-file", type=Path, help="the port is written here when ready")
    parser.add_argument("--log", type=Path, required=True, help="one JSON line per accepted text")
    parser.add_argument("--requests-log", type=Path, help="default: requests.jsonl beside --log")
    parser.add_argument(
        "--user",
        type=_user,
        action="append",
        required=True,
        metavar="NAME:API_ID",
        help="a user and their API id; repeatable",
    )
    parser.add_argument("--until-stdin-closes", action="store_true")
    _add_settings(parser)
    return parser


def _add_settings(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("settings (all can be changed at /_sandbox/config)")
    defaults = Settings()
    for name, setting in FIELDS.items():
        default = getattr(defaults, name)
        group.add_argument(
            f"--{name.replace('_', '-')}",
            metavar="VALUE",
            help=f"{setting.metadata['help']} (default: {default})".replace("%", "%%"),
        )


def _user(given: str) -> tuple[str, str]:
    name, _, api_id = given.partition(":")
    if not name or not api_id:
        raise argparse.ArgumentTypeError(f"expected NAME:API_ID, found {given!r}")
    return name, api_id


def build_server(options: argparse.Namespace) -> LimeServer:
    """The server the options describe; its logs are opened.

    Raises:
        SettingError: a setting does not fit.
    """
    given = {name: getattr(options, name) for name in FIELDS}
    settings = Settings().changed({k: value for k, value in given.items() if value is not None})
    requests_log = options.requests_log or options.log.with_name("requests.jsonl")
    return LimeServer(
        settings,
        Users(options.user),
        accepted=Journal(options.log),
        requests=Journal(requests_log),
    )
