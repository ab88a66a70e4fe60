"""How a breaker stands: what it answers, and what people are shown."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Phase(StrEnum):
    CLOSED = "closed"
    """Calls go on."""
    PROBING = "probing"
    """One call is being tried; all others are held."""
    OPEN = "open"
    """Everything is held."""


class Change(StrEnum):
    """What an operation has changed, so that whoever changed it tells it, and only they."""

    OPENED = "opened"
    PROBING = "probing"
    CLOSED = "closed"
    RESET = "reset"


@dataclass(frozen=True, slots=True)
class Standing:
    """A breaker at this moment. Spans are in seconds, ages None where it never was."""

    name: str
    phase: Phase
    held_for_s: float
    """Until the next probe may be tried; while one is, until its place is free again."""
    since_s: float | None
    """How long ago the phase began (a probe belongs to its opening)."""
    openings: int
    """How often it has opened, or its probe has failed, without a rest between."""
    calls: int
    """Within the window; with `errors` what the share is taken of."""
    errors: int
    error_run: int
    """Failures since the last success."""
    last_success_s: float | None
    last_error_s: float | None
    shared: bool
    """False: the broker does not answer, and this is what this process knows by itself."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What an operation came to. `admitted` is meaningful for `admit` alone."""

    admitted: bool
    generation: int
    change: Change | None
    standing: Standing
