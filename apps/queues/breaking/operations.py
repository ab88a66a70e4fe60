"""What a breaker can be asked, whoever keeps its state."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from apps.queues.breaking.permits import ANY_GENERATION


@dataclass(frozen=True, slots=True)
class Operation:
    """One step; `token` and `generation` are those of the caller's permit."""

    name: Literal["admit", "record", "give_back", "reset", "look"]
    token: str = ""
    generation: int = 0
    calls: int = 0
    errors: int = 0
    shared: bool = True
    """Whether the broker gave the permit; else this process did."""

    def told_to(self, *, shared: bool) -> Operation:
        """Generations are counted by whoever keeps the state: another's mean nothing."""
        if shared is self.shared:
            return self
        return replace(self, generation=ANY_GENERATION)
