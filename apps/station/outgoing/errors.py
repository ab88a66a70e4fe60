"""What can go wrong with outgoing webhooks, and what the caller does about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class OutgoingError(Exception):
    """The root of this package's errors."""


class InvalidEndpointError(OutgoingError):
    """A field of an endpoint cannot be used. `problems` says why, by field; nothing was saved."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__(" ".join(f"{field}: {text}" for field, text in problems.items()))
        self.problems = dict(problems)


class EndpointStateError(OutgoingError):
    """The endpoint is not in a state for this; the message says which it is in. Look again."""


class DeliveryStateError(OutgoingError):
    """The delivery cannot be sent again now; the message says why. Look again in a minute."""
