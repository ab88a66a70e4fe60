"""Secrets on their way in: from a file or from standard input, never from the command line.

What stands on a command line is seen by every user of the machine and kept in the shell's history.
"""

from __future__ import annotations

import getpass
import sys
from pathlib import Path

from django.core.management.base import CommandError

LONGEST_SECRET = 1000


def read_secret(what: str, *, file: str | None, option: str) -> str:
    """The first line of the file, of what is piped in, or of what is typed without an echo."""
    if file is not None:
        text = _from_file(file, option)
    elif sys.stdin.isatty():
        text = getpass.getpass(f"{what}: ")
    else:
        text = sys.stdin.readline(LONGEST_SECRET + 2)
    secret = text.partition("\n")[0].strip()
    if not secret:
        raise CommandError(f"The {what} is empty: give {option} FILE, or type or pipe it in.")
    if len(secret) > LONGEST_SECRET or not secret.isascii() or not secret.isprintable():
        raise CommandError(
            f"The {what} must be one line of at most {LONGEST_SECRET} printable ASCII characters."
        )
    return secret


def _from_file(name: str, option: str) -> str:
    try:
        return Path(name).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise CommandError(f"{option}: cannot read {name}: {error.strerror}.") from error
    except UnicodeDecodeError:
        raise CommandError(f"{option}: {name} is no text file.") from None
