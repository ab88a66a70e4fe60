"""Reading the environment, with errors that name the variable, what was found and what is needed.

Nothing outside `config` reads the environment: everything else asks `django.conf.settings`.
"""

from __future__ import annotations

import base64
import binascii
import os
import sys
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import TYPE_CHECKING, NoReturn
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

KEY_BYTES = 32
SHOWN_CHARACTERS = 24

env = environ.Env()


class SettingProblem(ImproperlyConfigured):
    """A variable is missing or wrong. Correct the environment and start again."""


def quit_on_problem(error: SettingProblem) -> NoReturn:
    """Ends the process with the message alone: a traceback would hide the variable's name."""
    sys.exit(f"Flux Station cannot start.\n  {error}")


@dataclass(frozen=True)
class Reader:
    """Typed look-ups in one mapping of variables (the process environment unless told)."""

    variables: Mapping[str, str] = field(default_factory=lambda: os.environ)

    def text(self, name: str, *, default: str | None = None, expected: str = "a text") -> str:
        value = self.variables.get(name, "").strip()
        if value:
            return value
        if default is None:
            raise SettingProblem(f"{name} is not set; expected {expected}.")
        return default

    def secret(self, name: str, *, at_least: int) -> str:
        value = self.text(name, expected=f"a secret of at least {at_least} characters")
        if len(value) < at_least:
            raise SettingProblem(
                f"{name} has {len(value)} characters; expected at least {at_least}."
            )
        return value

    def flag(self, name: str, *, default: bool) -> bool:
        value = self.variables.get(name, "").strip().lower()
        if not value:
            return default
        if value in {"1", "true", "yes", "on"}:
            return True
        if value in {"0", "false", "no", "off"}:
            return False
        raise SettingProblem(f"{name} is {_shown(value)}; expected true or false.")

    def number(
        self, name: str, *, default: float, at_least: float, at_most: float = float("inf")
    ) -> float:
        raw = self.variables.get(name, "").strip()
        if not raw:
            return default
        try:
            value = float(raw)
        except ValueError:
            value = float("nan")
        if not at_least <= value <= at_most:
            upper = "" if at_most == float("inf") else f" and at most {at_most:g}"
            raise SettingProblem(
                f"{name} is {_shown(raw)}; expected a number of at least {at_least:g}{upper}."
            )
        return value

    def whole_number(self, name: str, *, default: int, at_least: int) -> int:
        value = self.number(name, default=default, at_least=at_least)
        if value != int(value):
            raise SettingProblem(f"{name} is {value}; expected a whole number.")
        return int(value)

    def allowance(self, name: str, *, per_second: float, burst: int) -> tuple[float, int]:
        """`name`_PER_SECOND requests in the long run, `name`_BURST of them at once."""
        return (
            self.number(f"{name}_PER_SECOND", default=per_second, at_least=0.001, at_most=1e6),
            self.whole_number(f"{name}_BURST", default=burst, at_least=1),
        )

    def networks(self, name: str, *, default: str) -> list[IPv4Network | IPv6Network]:
        """Comma-separated addresses or networks, such as 10.0.0.0/8,::1."""
        found = []
        for word in self.words(name, default=filter(None, default.split(","))):
            try:
                found.append(ip_network(word))
            except ValueError:
                raise SettingProblem(
                    f"{name} holds {_shown(word)}; expected networks such as 10.0.0.0/8,::1."
                ) from None
        return found

    def words(self, name: str, *, default: Iterable[str] = ()) -> list[str]:
        raw = self.variables.get(name, "")
        return [word.strip() for word in raw.split(",") if word.strip()] or list(default)

    def choice(self, name: str, *, options: Iterable[str], default: str) -> str:
        value = self.text(name, default=default)
        allowed = sorted(options)
        if value not in allowed:
            raise SettingProblem(
                f"{name} is {_shown(value)}; expected one of {', '.join(allowed)}."
            )
        return value

    def url(self, name: str, *, schemes: Iterable[str], default: str | None = None) -> str:
        allowed = " or ".join(f"{scheme}://…" for scheme in schemes)
        value = self.text(name, default=default, expected=allowed)
        parts = urlsplit(value)
        if parts.scheme not in schemes or not (parts.hostname or parts.path.strip("/")):
            # The value may hold a password: only its scheme is shown.
            raise SettingProblem(
                f"{name} has the scheme {_shown(parts.scheme)}; expected {allowed}."
            )
        return value

    def optional_url(self, name: str, *, schemes: Iterable[str]) -> str:
        """The same, or an empty text where nothing is set."""
        if not self.variables.get(name, "").strip():
            return ""
        return self.url(name, schemes=schemes)

    def named_urls(self, name: str, *, schemes: Iterable[str]) -> dict[str, str]:
        """`job=https://…,other=https://…` as a mapping; addresses are secrets and never shown."""
        expected = f"name=address pairs ({' or '.join(f'{scheme}://…' for scheme in schemes)})"
        found: dict[str, str] = {}
        for pair in self.words(name):
            key, _, url = pair.partition("=")
            parts = urlsplit(url.strip())
            if not key.strip() or parts.scheme not in schemes or not parts.hostname:
                raise SettingProblem(f"{name}, entry {_shown(key)}: expected {expected}.")
            found[key.strip()] = url.strip()
        return found

    def versioned_keys(self, name: str) -> dict[int, bytes]:
        """`1:BASE64,2:BASE64` as {1: 32 bytes, 2: 32 bytes}; the highest version is in use.

        Older versions stay readable, so that keys rotate without breaking what they made.
        """
        expected = f"version:key pairs, each key {KEY_BYTES} bytes in base64 (1:…,2:…)"
        keys: dict[int, bytes] = {}
        for pair in self.text(name, expected=expected).split(","):
            version, _, encoded = pair.strip().partition(":")
            try:
                key = base64.b64decode(encoded, validate=True)
                number = int(version)
            except (ValueError, binascii.Error):
                raise SettingProblem(f"{name} cannot be read; expected {expected}.") from None
            if len(key) != KEY_BYTES or number < 1 or number in keys:
                raise SettingProblem(
                    f"{name} has a wrong entry for version {version}; expected {expected}."
                )
            keys[number] = key
        return keys


def _shown(value: str) -> str:
    cut = value if len(value) <= SHOWN_CHARACTERS else value[:SHOWN_CHARACTERS] + "…"
    return f"“{cut}”"
