"""What can go wrong with texts, and what the caller does about it."""


class SmsError(Exception):
    """The root of this room's errors."""
