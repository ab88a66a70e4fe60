"""Users: their API ids, and all that is counted per user."""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from apps.sandbox.lime.errors import (
    NO_CREDITS,
    PASSWORD_EMPTY,
    UNKNOWN_USER,
    LimeError,
    TooManyRequestsError,
)
from apps.sandbox.windows import PeakCounter, SlidingWindow

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from apps.sandbox.lime.settings import Settings

MINUTE_SECONDS = 60.0


@dataclass(slots=True)
class User:
    name: str
    api_id: str
    used_credits: int = 0
    peak: PeakCounter = field(default_factory=PeakCounter)
    second: SlidingWindow = field(default_factory=SlidingWindow)
    minute: SlidingWindow = field(
        default_factory=lambda: SlidingWindow(span_seconds=MINUTE_SECONDS)
    )

    def admit(self, now: float, settings: Settings) -> None:
        """Count a request. Raises TooManyRequestsError where a limit is used up."""
        self.peak.record(now)
        # The minute is asked first: a request that it refuses uses up nothing of the second.
        for window, limit in (
            (self.minute, settings.per_minute),
            (self.second, settings.per_second),
        ):
            if limit and not (admission := window.admit(now, limit=limit)).allowed:
                raise TooManyRequestsError(admission.reset_seconds)

    def take_credits(self, count: int, limit: int | None) -> None:
        """Raises LimeError where fewer than `count` texts are left."""
        if limit is not None and self.used_credits + count > limit:
            raise LimeError(NO_CREDITS)
        self.used_credits += count

    def reset(self) -> None:
        self.used_credits = 0
        self.peak = PeakCounter()
        self.second = SlidingWindow()
        self.minute = SlidingWindow(span_seconds=MINUTE_SECONDS)


class Users:
    def __init__(self, given: Iterable[tuple[str, str]]) -> None:
        self._users = {name: User(name, api_id) for name, api_id in given}

    def __iter__(self) -> Iterator[User]:
        return iter(self._users.values())

    def authenticate(self, name: str, api_id: str) -> User:
        """Raises LimeError 101 without an API id, 105 for an unknown user or a wrong id."""
        if not api_id:
            raise LimeError(PASSWORD_EMPTY)
        user = self._users.get(name)
        if user is None or not hmac.compare_digest(user.api_id.encode(), api_id.encode()):
            raise LimeError(UNKNOWN_USER)
        return user
