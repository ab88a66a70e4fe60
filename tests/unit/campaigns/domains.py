"""A provider that knows some domains, for checks that ask nobody else."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class FakeDomains:
    """Stands in for `ResendClient` and `PacedDomains` where only domains are asked for."""

    statuses: dict[str, str] = field(default_factory=dict)
    failure: Exception | None = None
    calls: int = 0

    def verified_domains(self) -> dict[str, str]:
        self.calls += 1
        if self.failure is not None:
            raise self.failure
        return self.statuses
