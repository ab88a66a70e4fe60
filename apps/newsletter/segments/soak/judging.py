"""What a soak came to: figures, a row per person, and the verdict."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from apps.newsletter.models import SegmentPass, SegmentWish

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from apps.newsletter.segments.asking import Asker
    from apps.newsletter.segments.soak.running import Person, Plan, Played
    from apps.newsletter.segments.soak.stage import Stage


@dataclass(frozen=True)
class Row:
    """One person. `logged` is the target that the last pass wrote down; all are segment ids."""

    contact: int
    score: int
    tier: str
    wanted: str
    logged: str
    membership: str
    """Of the soak's segments, at the provider; several are joined by a space."""
    passes: int
    calls: int
    retries: int
    throttled: int
    subscribe_ms: float
    agrees: bool


@dataclass(frozen=True)
class Report:
    """`failures` are in words, and empty where all holds."""

    figures: Mapping[str, float]
    rows: list[Row]
    failures: list[str]

    @property
    def passed(self) -> bool:
        return not self.failures

    def document(self) -> dict[str, Any]:
        people = [asdict(row) for row in self.rows]
        return {"passed": self.passed, "failures": self.failures, **self.figures, "people": people}


def judge(stage: Stage, plan: Plan, played: Played, asker: Asker) -> Report:
    """Asks the provider for the final membership, and compares it with wish and log."""
    there = _memberships(stage, asker)
    rows = [_row(stage, person, there) for person in played.people]
    figures = _figures(rows, played)
    return Report(figures, rows, _failures(rows, figures, plan, played))


def _memberships(stage: Stage, asker: Asker) -> Mapping[str, set[str]]:
    """The soak's segments by address."""
    found: dict[str, set[str]] = {}
    for segment_id in stage.segments.values():
        for page in asker.member_pages(segment_id):
            for member in page.members:
                found.setdefault(member.email, set()).add(segment_id)
    return found


def _row(stage: Stage, person: Person, there: Mapping[str, set[str]]) -> Row:
    passes = list(SegmentPass.objects.filter(contact_id=person.contact_id).order_by("id"))
    open_ = SegmentWish.objects.open().filter(pk=person.contact_id).first()
    wanted = stage.segment_of(person.score)
    logged = (passes[-1].target_segment or "") if passes else ""
    membership = " ".join(sorted(there.get(person.email, set())))
    return Row(
        contact=person.contact_id,
        score=person.score,
        tier=stage.tier_of(person.score),
        wanted=wanted,
        logged=logged,
        membership=membership,
        passes=len(passes),
        calls=sum(one.calls for one in passes) + (open_.pass_calls if open_ else 0),
        retries=sum(one.retries for one in passes),
        throttled=sum(one.throttles for one in passes) + (open_.pass_throttles if open_ else 0),
        subscribe_ms=round(person.subscribe_ms, 2),
        agrees=wanted == logged == membership,
    )


def _figures(rows: Collection[Row], played: Played) -> dict[str, float]:
    spent = sorted(row.subscribe_ms for row in rows)
    calls = Counter(row.calls for row in rows)
    return {
        "signups": len(rows),
        "seconds": round(played.seconds, 2),
        "calls": sum(row.calls for row in rows),
        "calls_per_contact": round(sum(row.calls for row in rows) / len(rows), 2),
        "most_calls_per_contact": max(calls),
        "passes": sum(row.passes for row in rows),
        "retries": sum(row.retries for row in rows),
        "throttled": sum(row.throttled for row in rows),
        "subscribe_p50_ms": _percentile(spent, 0.50),
        "subscribe_p95_ms": _percentile(spent, 0.95),
        "subscribe_p99_ms": _percentile(spent, 0.99),
        "agreeing": sum(row.agrees for row in rows),
    }


def _percentile(sorted_values: list[float], share: float) -> float:
    return sorted_values[min(len(sorted_values) - 1, int(share * len(sorted_values)))]


def _failures(
    rows: Collection[Row], figures: Mapping[str, float], plan: Plan, played: Played
) -> list[str]:
    found = []
    if not played.settled:
        found.append(f"not all contacts were settled within {plan.timeout_seconds:g} s")
    if figures["throttled"]:
        found.append(f"{figures['throttled']:g} calls were throttled, expected none")
    if differing := [row.contact for row in rows if not row.agrees]:
        listed = ", ".join(map(str, differing[:10]))
        found.append(
            f"for {len(differing)} contacts the logged target, the score's tier and the membership "
            f"are not one: {listed}"
        )
    if 0 < plan.subscribe_p95_ms <= figures["subscribe_p95_ms"]:
        found.append(
            f"the P95 of subscribing is {figures['subscribe_p95_ms']:g} ms, expected less than "
            f"{plan.subscribe_p95_ms:g}"
        )
    return found
