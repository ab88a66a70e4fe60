"""What can go wrong with a campaign, and what the caller does about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

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
