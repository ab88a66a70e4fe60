"""Start, watch and steer the stand-in for Lime: for tests, benchmarks and the demo."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from apps.sandbox.lime.numbers import made_up
from apps.sandbox.standin import StandIn, log_lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class AcceptedText:
    """One text the provider has accepted: one line of its log."""

    t: float
    """Arrival of its request, in Unix seconds."""
    user: str
    request: int
    """The number of the request that carried it: texts of one call share it."""
    call: str
    """`single` or `bulk`."""
    mobile: str
    """Digits with the country code: 17325555555."""
    message: str
    shortcode: str


@dataclass(frozen=True, slots=True)
class LimeRequest:
    """One request to the API: one line of its log."""

    t: float
    number: int
    method: str
    path: str
    status: int | None
    """None where a fault left it without one."""
    error: str | None
    """Error id, 429 or 404."""
    fault: str | None
    texts: int
    """How many it carried, without those ignored; 0 where it could not be read."""
    accepted: int
    user: str | None


@dataclass(frozen=True, slots=True)
class CallbackStats:
    delivered: int
    failed: int
    pending: int


@dataclass(frozen=True, slots=True)
class LimeStats:
    """What the stand-in has counted since its start or its last reset."""

    requests: dict[str, int]
    """By status, or by the name of the fault that left them without one."""
    errors: dict[str, int]
    """Refused requests and refused numbers, by error id; 429 for a limit."""
    accepted: int
    """Texts."""
    ignored: int
    """Texts of bulk calls beyond the first 1,000."""
    sends: int
    """Sends that passed the limits; what a fault script counts."""
    faults: dict[str, int]
    most_in_flight: int
    max_requests_per_second: int
    """Most requests of one user in any second, refused ones included."""
    lists_served: int
    callbacks: CallbackStats
    cpu_seconds: float
    """User and system time of the process since it started: take it off what a bench measures."""
    uptime_seconds: float


class LimeSandbox(StandIn):
    """A stand-in for the Lime API in a process of its own, on a free loopback port.

    It ends with `stop()`, at the end of a `with` block, and also when this process dies.
    """

    provider = "lime"

    def __init__(
        self, directory: Path, *, users: Mapping[str, str], port: int = 0, **settings: object
    ) -> None:
        """Describe a stand-in; `start()` or `with` starts it.

        Args:
            directory: where its logs go; existing logs are continued.
            users: API ids by user name.
            port: 0 picks a free one.
            settings: any setting of `apps.sandbox.lime.settings.Settings`.
        """
        super().__init__(directory, port=port, settings=settings)
        self._users = users

    def own_options(self) -> list[str]:
        return [
            part for name, api_id in self._users.items() for part in ("--user", f"{name}:{api_id}")
        ]

    def accepted(self) -> Iterator[AcceptedText]:
        """The accepted texts so far, in order, read from the log."""
        for line in log_lines(self.accepted_log):
            yield AcceptedText(**line)

    def counts(self) -> Counter[str]:
        """How many texts each number got."""
        return Counter(line["mobile"] for line in log_lines(self.accepted_log))

    def requests(self) -> Iterator[LimeRequest]:
        """The requests to the API so far, by arrival, read from the log."""
        for line in log_lines(self.requests_log):
            yield LimeRequest(**line)

    def busiest(self, *, seconds: float) -> int:
        """The most requests in any span of so many seconds, (t - seconds, t]."""
        recent: deque[float] = deque()
        most = 0
        for request in self.requests():
            recent.append(request.t)
            while request.t - recent[0] >= seconds:
                recent.popleft()
            most = max(most, len(recent))
        return most

    def stats(self) -> LimeStats:
        document = self._control("GET", "stats")
        document["callbacks"] = CallbackStats(**document["callbacks"])
        return LimeStats(**document)

    def happen(self, action: str, mobile: str, *, list_id: str = "", **more: str) -> None:
        """Let a person do this: optin, optout, optout-all or update. A callback tells of it."""
        self._control(
            "POST", "happen", {"action": action, "mobile": mobile, "list_id": list_id, **more}
        )


def people(count: int, *, start: int = 0) -> list[str]:
    """The numbers of a list set as `count@start`, in its order."""
    return [made_up(place) for place in range(start, start + count)]
