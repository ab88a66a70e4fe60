"""Files and JSON given on the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

LARGEST_FILE_BYTES = 2_000_000


def text_from(name: str, option: str) -> str:
    """The text of a UTF-8 file; a mistake names the option."""
    path = Path(name)
    try:
        if path.stat().st_size > LARGEST_FILE_BYTES:
            raise CommandError(f"{option}: {name} has more than {LARGEST_FILE_BYTES:,} bytes.")
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise CommandError(f"{option}: cannot read {name}: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise CommandError(
            f"{option}: {name} is not UTF-8 (byte {error.start:,}): save it as UTF-8."
        ) from error


def audience_from(given: str) -> Any:
    """Rules from JSON itself, or from a file that holds it."""
    text = given if given.lstrip().startswith("{") else text_from(given, "--audience")
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CommandError(f"--audience: this is no JSON: {error}.") from error
