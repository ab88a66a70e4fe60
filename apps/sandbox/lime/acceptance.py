"""Taking texts: which numbers are refused, and the log of those that are not."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from apps.sandbox.draws import fraction
from apps.sandbox.lime.errors import (
    INVALID_MOBILE,
    MESSAGE_EMPTY,
    NOT_OPTED_IN,
    Answer,
    LimeError,
    accepted,
)
from apps.sandbox.lime.numbers import normal

if TYPE_CHECKING:
    from apps.sandbox.lime.figures import Figures, Lines
    from apps.sandbox.lime.lists import Lists
    from apps.sandbox.lime.membership import Membership
    from apps.sandbox.lime.reading import Sending
    from apps.sandbox.lime.settings import Settings
    from apps.sandbox.lime.users import User

_STOP_SECONDS = 0.2


class Acceptance:
    """The provider's work: after it, a text is on its way to a person."""

    def __init__(
        self, lines: Lines, lists: Lists, membership: Membership, figures: Figures
    ) -> None:
        self.lines = lines
        self._lists = lists
        self._membership = membership
        self._figures = figures

    def take(
        self, sending: Sending, user: User, settings: Settings, *, request: int, epoch: float
    ) -> Answer:
        """Accept the texts of a request and say what the provider answers.

        Raises:
            LimeError: its only number is refused, or the credits do not reach for all.
        """
        taken: list[tuple[str, str]] = []
        refused: list[tuple[str, int]] = []
        for given, message in sending.texts:
            mobile = normal(given)
            error_id = self._refusal(mobile, message, settings)
            if error_id is None:
                taken.append((mobile or given, message))
            else:
                refused.append((given, error_id))
        if refused and not sending.bulk and len(sending.texts) == 1:
            raise LimeError(refused[0][1])
        user.take_credits(len(taken), settings.credits)
        self._record(sending, user, taken, request=request, epoch=epoch)
        for _, error_id in refused:
            self._figures.errors[str(error_id)] += 1
        self._figures.ignored += sending.ignored
        if settings.optout_rate:
            self._leave(taken, settings)
        return accepted(refused, json=sending.json, listing=sending.lists_refused)

    def _refusal(self, mobile: str | None, message: str, settings: Settings) -> int | None:
        if mobile is None:
            return INVALID_MOBILE
        if not message.strip():
            return MESSAGE_EMPTY
        if (error_id := settings.refused.get(mobile)) is not None:
            return error_id
        if settings.refusal_rates:
            left = fraction(settings.seed, "refused", mobile)
            for error_id, rate in settings.refusal_rates.items():
                left -= rate
                if left < 0:
                    return error_id
        if settings.require_opt_in and not self._lists.of(settings, mobile):
            return NOT_OPTED_IN
        return None

    def _record(
        self,
        sending: Sending,
        user: User,
        taken: list[tuple[str, str]],
        *,
        request: int,
        epoch: float,
    ) -> None:
        call = "bulk" if sending.bulk else "single"
        self._figures.texts += len(taken)
        self.lines.add(
            {
                "t": epoch,
                "user": user.name,
                "request": request,
                "call": call,
                "mobile": mobile,
                "message": message,
                "shortcode": sending.shortcode,
            }
            for mobile, message in taken
        )

    def _leave(self, taken: list[tuple[str, str]], settings: Settings) -> None:
        loop = asyncio.get_running_loop()
        for mobile, _ in taken:
            if fraction(settings.seed, "stop", mobile) < settings.optout_rate:
                loop.call_later(_STOP_SECONDS, partial(self._membership.stop, settings, mobile))
