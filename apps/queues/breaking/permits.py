"""The leave to make one call, and the duty to say how it ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, Self

if TYPE_CHECKING:
    from types import TracebackType

ANY_GENERATION = -1
"""For reports of calls whose permit somebody else's state gave."""


class Keeper(Protocol):
    """Who gave the permit."""

    def record(self, permit: Permit, *, calls: int = 1, errors: int = 0) -> None: ...

    def give_back(self, permit: Permit) -> None: ...


@dataclass(slots=True)
class Permit:
    """Use it as a context: a block that ends without a report gives the permit back.

    That counts neither for nor against the other side, and frees the place of a probe at once.
    """

    keeper: Keeper = field(repr=False)
    generation: int
    """Answers to calls from before the breaker last changed tell nothing new."""
    token: str
    """Names the probe; empty for an ordinary call."""
    shared: bool
    reported: bool = False

    @property
    def is_probe(self) -> bool:
        return bool(self.token)

    def succeeded(self) -> None:
        """The other side answered as it should, if only with a refusal."""
        self._report(errors=0)

    def failed(self) -> None:
        """The other side did not answer, or showed that it is in trouble."""
        self._report(errors=1)

    def _report(self, *, errors: int) -> None:
        if not self.reported:
            self.reported = True
            self.keeper.record(self, errors=errors)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if not self.reported:
            self.reported = True
            self.keeper.give_back(self)
