"""Why somebody has the score they have, in words that an operator can check."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from django.db import connection

from apps.newsletter.engagement.scoring import POINTS, Selection
from apps.newsletter.models import ScoreRule, Tier
from apps.newsletter.models.engagement import HIGHEST_SCORE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from apps.contacts.models import Contact


@dataclass(frozen=True)
class Part:
    """What one rule adds. `is_bounded` where more happened than counts."""

    rule: ScoreRule
    times: int
    points: float
    is_bounded: bool

    @property
    def words(self) -> str:
        return rule_in_words(self.rule)


@dataclass(frozen=True)
class Explanation:
    """The score at one instant, made of its parts, the largest first."""

    at: datetime
    score: int
    tier: Tier | None
    parts: Sequence[Part]
    silent: Sequence[ScoreRule]

    @property
    def sum(self) -> float:
        """Before it is rounded and held between 0 and the highest."""
        return sum(part.points for part in self.parts)

    @property
    def sentence(self) -> str:
        if not self.parts:
            return "Nothing that counts happened lately: 0."
        told = " + ".join(
            f"{part.times} x {part.rule.signal} ({part.points:g})" for part in self.parts
        )
        return f"{told} = {self.sum:g}, so {self.score}."


_PARTS = f"""
WITH {POINTS}
SELECT bounded.signal, bounded.times, bounded.thousandths,
       worth.thousandths <> bounded.thousandths
  FROM bounded JOIN worth USING (contact_id, signal)
 ORDER BY abs(bounded.thousandths) DESC, bounded.signal
"""


def explain(contact: Contact, *, at: datetime | None = None) -> Explanation:
    """The contact's score now, or as the same rules count it at another instant. Three queries."""
    instant = at or datetime.now(tz=UTC)
    rules = {
        rule.signal: rule
        for rule in ScoreRule.objects.filter(brand_id=contact.brand_id, enabled=True)
    }
    selection = Selection.these([contact.pk])
    with connection.cursor() as cursor:
        cursor.execute(
            _PARTS.format(condition=selection.condition), {**selection.params, "at": instant}
        )
        rows = cursor.fetchall()
    total = sum(thousandths for _, _, thousandths, _ in rows)
    score = max(0, min(HIGHEST_SCORE, _rounded(total)))
    reached = Tier.objects.filter(brand_id=contact.brand_id, min_score__lte=score)
    parts = [
        Part(rules[signal], times, float(thousandths) / 1000, is_bounded)
        for signal, times, thousandths, is_bounded in rows
    ]
    told = {part.rule.signal for part in parts}
    return Explanation(
        at=instant,
        score=score,
        tier=reached.order_by("-min_score").first(),
        parts=parts,
        silent=[rule for signal, rule in sorted(rules.items()) if signal not in told],
    )


def _rounded(thousandths: int) -> int:
    """As PostgreSQL rounds: a half goes away from zero."""
    whole, rest = divmod(abs(int(thousandths)), 1000)
    return (whole + (rest >= 500)) * (1 if thousandths >= 0 else -1)  # noqa: PLR2004 - a half


_SIGNALS = {
    "opened": "each mail that the person opened",
    "clicked": "each mail in which the person clicked a link",
    "complained": "each mail that the person marked as spam",
    "joined": "being subscribed, from the day it was confirmed",
}


def rule_in_words(rule: ScoreRule) -> str:
    """A sentence: 5 points for each mail that the person opened, in the last 90 days."""
    what = _SIGNALS.get(rule.signal, f"each “{rule.signal}” that another system told")
    fading = f", half of that after {rule.half_life_days} days" if rule.half_life_days else ""
    least = "at most" if rule.points >= 0 else "never less than"
    bound = rule.most_points if rule.points >= 0 else -(rule.most_points or 0)
    most = f", {least} {bound} in all" if rule.most_points else ""
    unit = "point" if abs(rule.points) == 1 else "points"
    return f"{rule.points} {unit} for {what}, in the last {rule.window_days} days{fading}{most}."
