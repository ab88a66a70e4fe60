"""What can go wrong with mail before it reaches a provider, and what the caller does."""


class MailError(Exception):
    """The root of this room's errors."""


class LeaseLostError(MailError):
    """Somebody else owns the batch now (its fence moved on). Drop it; nothing was changed."""


class StateError(MailError):
    """The mailing is not in a state that allows this. The message names both states."""


class DuplicateKeyError(MailError):
    """The idempotency key was used for another recipient or other variables. Use a new one."""
