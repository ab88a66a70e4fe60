"""Why a list was not synced, and what the caller does about it. Nothing was changed by it."""

from __future__ import annotations

from apps.sms.errors import SmsError


class ListError(SmsError):
    """The root of this part's errors; messages are fit for operators, without anybody's data."""


class ListNotReadError(ListError):
    """No whole document came, or one that cannot be trusted: try again later."""


class ListRefusedError(ListError):
    """The provider will not give the list: somebody has to change the list or its account."""


class ListBusyError(ListError):
    """A sync of this list is under way; wait for its end."""


class LeaseLostError(ListError):
    """Another worker has taken the run over: stop, and write nothing more."""
