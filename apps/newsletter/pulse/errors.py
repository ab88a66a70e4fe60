"""Why a call is not taken, and what its caller does about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class PulseError(Exception):
    """The root of this package's errors."""


class InvalidInteractionsError(PulseError):
    """Nothing was kept: correct what is wrong and send the whole call again.

    `errors` names it by place: `interactions.3.kind`.
    """

    def __init__(self, errors: Mapping[str, list[str]]) -> None:
        super().__init__(f"Please correct: {', '.join(errors)}.")
        self.errors = dict(errors)


class BehindError(PulseError):
    """Too much waits to be stored already. Nothing was kept: send it again in `wait_seconds`."""

    def __init__(self, *, waiting: int, wait_seconds: int) -> None:
        super().__init__(
            f"{waiting:,} interactions wait to be stored already; send this again in "
            f"{wait_seconds} s."
        )
        self.wait_seconds = wait_seconds
