"""What can go wrong with joining and single mails, and what the caller does about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class NewsletterError(Exception):
    """The root of this room's errors."""


class NoSenderError(NewsletterError):
    """The brand can send nothing. Give it a sender, then try again."""


class UnknownTemplateError(NewsletterError):
    """The brand has no template of this name. Correct the name, or make the template."""


class MissingVariablesError(NewsletterError):
    """The template prints variables that were not given: `names`, without the leading word."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names = tuple(names)
        super().__init__(f"The template needs a value for {', '.join(self.names)}.")


class UnfitTemplateError(NewsletterError):
    """The template fails with these variables; the message says where. Correct one of them."""


class UnknownActionError(NewsletterError):
    """The brand knows no such action; the message names those it knows."""


class UnknownRecipientError(NewsletterError):
    """Nobody of the brand has this address. Have them subscribe first."""


class CaptchaRefusedError(NewsletterError):
    """The captcha's token is wrong or used up. Have the person solve it again."""


class TooManySubmissionsError(NewsletterError):
    """One address or one client wrote too often. Try again in `wait_seconds`."""

    def __init__(self, wait_seconds: int) -> None:
        self.wait_seconds = wait_seconds
        super().__init__(f"Too many texts within an hour; wait {wait_seconds} s.")


class SubmissionStateError(NewsletterError):
    """The text was decided about already. Look at its page again."""
