"""The command line of the stand-in: `python -m apps.sandbox resend ...`."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING

from apps.sandbox.choices import SettingError
from apps.sandbox.journal import Journal
from apps.sandbox.resend.accounts import Access, Accounts, check_override
from apps.sandbox.resend.domains import STATUSES, VERIFIED
from apps.sandbox.resend.server import ResendServer
from apps.sandbox.resend.settings import FIELDS, PER_ACCOUNT, Settings
from apps.sandbox.serving import Listener, run

if TYPE_CHECKING:
    from collections.abc import Iterable

KeySpec = tuple[str, str, Access]


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
            name="resend sandbox",
            host=options.host,
            port=options.port,
            port_file=options.port_file,
            until_stdin_closes=options.until_stdin_closes,
        ),
    )
    return 0


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m apps.sandbox resend",
        description="A stand-in for the Resend API.",
        epilog="Options marked * take [ACCOUNT=]VALUE and may be repeated, to differ by account.",
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 picks a free one")
    parser.add_argument("--port-file", type=Path, help="the port is written here when ready")
    parser.add_argument("--log", type=Path, required=True, help="one JSON line per accepted mail")
    parser.add_argument("--requests-log", type=Path, help="default: requests.jsonl beside --log")
    parser.add_argument("--contacts-log", type=Path, help="default: contacts.jsonl beside --log")
    parser.add_argument(
        "--account",
        type=_key,
        action="append",
        required=True,
        metavar="NAME:KEY[:ACCESS]",
        help=f"a key of an account; access is one of {', '.join(Access)}; repeatable",
    )
    parser.add_argument(
        "--domain",
        action="append",
        default=[],
        metavar="[ACCOUNT=]NAME[:STATUS]",
        help="a sending domain, verified unless a status is given; repeatable",
    )
    parser.add_argument("--until-stdin-closes", action="store_true")
    _add_settings(parser)
    return parser


def _add_settings(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("settings (all can be changed at /_sandbox/config)")
    defaults = Settings()
    for name, setting in FIELDS.items():
        shared = "* " if name in PER_ACCOUNT else ""
        default = getattr(defaults, name)
        group.add_argument(
            f"--{name.replace('_', '-')}",
            action="append",
            default=[],
            metavar="VALUE",
            help=f"{shared}{setting.metadata['help']} (default: {default})".replace("%", "%%"),
        )


def _key(given: str) -> KeySpec:
    name, _, rest = given.partition(":")
    key, _, access = rest.partition(":")
    if not name or not key or (access and access not in set(Access)):
        raise argparse.ArgumentTypeError(f"expected NAME:KEY[:ACCESS], found {given!r}")
    return name, key, Access(access or Access.FULL)


def build_server(options: argparse.Namespace) -> ResendServer:
    """The server the options describe; its logs are opened.

    Raises:
        SettingError: a setting does not fit, or names an account that is not there.
    """
    keys: list[KeySpec] = options.account
    names = {name for name, _, _ in keys}
    shared, own = _split_settings(options, names)
    settings = Settings().changed(shared)
    accounts = Accounts(settings, keys)
    for account, name, value in own:
        check_override(name, value)
        accounts.named(account).initial_overrides[name] = value
    for account, name, status in _domains(options.domain, names):
        accounts.named(account).domains.put(name, status=status, created_at=time.time())
    requests_log = options.requests_log or options.log.with_name("requests.jsonl")
    server = ResendServer(
        settings,
        accounts,
        accepted=Journal(options.log),
        requests=Journal(requests_log),
        contacts=Journal(options.contacts_log or options.log.with_name("contacts.jsonl")),
    )
    for found in accounts:
        found.overrides = dict(found.initial_overrides)
    server.configure(settings)
    return server


def _split_settings(
    options: argparse.Namespace, accounts: set[str]
) -> tuple[dict[str, object], list[tuple[str, str, str]]]:
    """Settings for all accounts, and (account, setting, value) for single ones."""
    shared: dict[str, object] = {}
    own: list[tuple[str, str, str]] = []
    for name in FIELDS:
        for given in getattr(options, name):
            account, value = _owner(given, accounts if name in PER_ACCOUNT else ())
            if account:
                own.append((account, name, value))
            else:
                shared[name] = value
    return shared, own


def _owner(given: str, accounts: Iterable[str]) -> tuple[str | None, str]:
    account, sign, value = given.partition("=")
    return (account, value) if sign and account in accounts else (None, given)


def _domains(given: list[str], accounts: set[str]) -> Iterable[tuple[str, str, str]]:
    for item in given:
        owner, spec = _owner(item, accounts)
        name, _, status = spec.partition(":")
        if not name or (status and status not in STATUSES):
            raise SettingError(f"domain: expected NAME[:STATUS], found {item!r}")
        for account in [owner] if owner else accounts:
            yield account, name.lower(), status or VERIFIED
