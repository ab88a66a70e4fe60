"""What can go wrong with a campaign, and what the caller does about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from apps.campaigns.audience import Fault
    from apps.campaigns.checking import Problem


class CampaignError(Exception):
    """The root of this room's errors."""


class InvalidAudienceError(CampaignError, ValueError):
    """The rules cannot be read. Show the faults: each names its path, what it found and the fix."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("; ".join(str(fault) for fault in faults))
        self.faults = tuple(faults)


class UnknownReferenceError(CampaignError):
    """The rules name topics or campaigns that the brand does not have. Correct the names."""


class InvalidCampaignError(CampaignError, ValueError):
    """A campaign cannot be made like this. The message names the field and the fix."""


class UnknownCampaignError(CampaignError):
    """There is no such campaign, or there are several. The message says how to name one."""


class LaunchRefused(CampaignError):  # noqa: N818 - an answer to the operator, not a failure
    """The campaign was not launched and nothing changed. Show `problems`; correct; launch again."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(problem.message for problem in problems if problem.blocking))
        self.problems = tuple(problems)


class AlreadyLaunched(CampaignError):  # noqa: N818 - see LaunchRefused
    """Somebody launched this campaign before, perhaps a moment ago. It goes out once."""


class ChangedMeanwhileError(CampaignError):
    """The campaign was changed while it was being checked. Look at it and launch again."""


class NotLaunchedError(CampaignError):
    """The campaign is a draft: there is nothing to pause, resume, cancel or retry."""


class CountChangedError(CampaignError):
    """The audience is no longer the one that was confirmed. Show both numbers and ask again."""

    def __init__(self, *, expected: int, found: int, tolerance: int) -> None:
        super().__init__(
            f"You confirmed {expected:,} people, but now {found:,} would get it, and at most"
            f" {tolerance:,} more or fewer were allowed: look at the audience and confirm again."
        )
        self.expected = expected
        self.found = found


class LocalTimeError(CampaignError, ValueError):
    """A local time is no single instant. Ask for another one."""


class SkippedTimeError(LocalTimeError):
    """The clocks jump over this time. The message says which times there are."""


class AmbiguousTimeError(LocalTimeError):
    """The time comes twice. Offer both `choices`, aware and in order."""

    def __init__(self, message: str, *, choices: Sequence[datetime]) -> None:
        super().__init__(message)
        self.choices = tuple(choices)


class InvalidScheduleError(CampaignError, ValueError):
    """The times do not fit: the message names the field, the limit and the fix."""


class ScheduledError(CampaignError):
    """The campaign waits for its time and must not change. Unschedule it first."""


class NotScheduledError(CampaignError):
    """There is no schedule to take back."""


class TooLateError(CampaignError):
    """The latest start has passed: nothing was launched, and nothing will be."""


class ApprovalError(CampaignError):
    """It cannot be asked for, given or declined like this; the message says why."""


class DryRunError(CampaignError):
    """The dry run cannot be started or read; the message says why and what to do."""


class InvalidTestError(CampaignError, ValueError):
    """Nothing was sent: the message says which of the addresses is at fault, and why."""
