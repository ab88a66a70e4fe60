"""Conditions as SQL on the contact `c`, and for people under way on their enrolment `e`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from apps.contacts.models import TopicState
from apps.newsletter.models import Enrolment, SequenceRule

if TYPE_CHECKING:
    from collections.abc import Iterable

    from apps.newsletter.models import SequenceVersion

Kind, Purpose = SequenceRule.Kind, SequenceRule.Purpose
_REASON_LIMIT = 60


def rules_of(version: SequenceVersion) -> list[SequenceRule]:
    """With what they name; one query."""
    return list(version.rules.select_related("topic", "tier"))


@dataclass
class Entry:
    """Who may enter: `sql` is a condition on `c`; `parts` has each rule's own, to explain."""

    sql: str = "true"
    parts: list[tuple[str, str]] = field(default_factory=list)
    params: dict[str, Any] = field(default_factory=dict)


def entry(rules: Iterable[SequenceRule], *, takes_everybody: bool) -> Entry:
    """All entry rules hold, and unless everybody is taken, something made one true since `since`.

    The statement around it gives `since`, when the sequence was started.
    """
    writer = _Writer()
    since = "'-infinity'::timestamptz" if takes_everybody else "%(since)s"
    chosen = [rule for rule in rules if rule.purpose == Purpose.ENTRY]
    parts = [(str(rule), writer.holds(rule, since=since)) for rule in chosen]
    news = [writer.became(rule) for rule in chosen] or ["c.status_changed_at >= %(since)s"]
    conditions = [sql for _, sql in parts]
    if not takes_everybody:
        what = "something of it happened since the sequence was started"
        parts.append((what, f"({' OR '.join(news)})"))
        conditions.append(parts[-1][1])
    return Entry(" AND ".join(conditions) or "true", parts, writer.params)


@dataclass
class Endings:
    """What ends somebody's way: `verdict` is SQL for the number of the first that holds, from 1.

    `states` and `reasons` are by that number; null where nothing holds.
    """

    verdict: str = "NULL::int"
    states: list[str] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    params: dict[str, Any] = field(default_factory=dict)


def endings(rules: Iterable[SequenceRule], *, before: int | None = None) -> Endings:
    """Goals first, then exits; `before` adds the exits that hold only before this position."""
    writer = _Writer()
    chosen = [rule for rule in rules if rule.purpose == Purpose.GOAL]
    chosen += [
        rule
        for rule in rules
        if rule.purpose == Purpose.EXIT and rule.before_step in (None, before)
    ]
    if not chosen:
        return Endings()
    cases = " ".join(
        f"WHEN {writer.holds(rule, since='e.entered_at')} THEN {number}"
        for number, rule in enumerate(chosen, start=1)
    )
    return Endings(
        f"CASE {cases} END",
        [
            str(Enrolment.State.GOAL if rule.purpose == Purpose.GOAL else Enrolment.State.EXITED)
            for rule in chosen
        ],
        [str(rule)[:_REASON_LIMIT] for rule in chosen],
        writer.params,
    )


class _Writer:
    """Collects parameters under names of their own."""

    def __init__(self) -> None:
        self.params: dict[str, Any] = {}

    def holds(self, rule: SequenceRule, *, since: str) -> str:
        match rule.kind:
            case Kind.TOPIC_IN:
                return self._topic(rule, TopicState.OPT_IN)
            case Kind.TOPIC_OUT:
                return f"NOT {self._topic(rule, TopicState.OPT_IN)}"
            case Kind.TIER_IS:
                return f"c.tier = {self._tier(rule)}"
            case Kind.TIER_IS_NOT:
                return f"c.tier <> {self._tier(rule)}"
            case Kind.CLICK:
                return _CLICKED
            case _:
                return self._event(rule, since)

    def became(self, rule: SequenceRule) -> str:
        """Whether something made the rule true since `since`."""
        match rule.kind:
            case Kind.TOPIC_IN:
                return self._topic(rule, TopicState.OPT_IN, " AND t.changed_at >= %(since)s")
            case Kind.TOPIC_OUT:
                return self._topic(rule, TopicState.OPT_OUT, " AND t.changed_at >= %(since)s")
            case Kind.TIER_IS:
                return self._tier_changed(f"s.new_tier = {self._tier(rule)}")
            case Kind.TIER_IS_NOT:
                return self._tier_changed(f"s.old_tier = {self._tier(rule)}")
            case _:
                return self._event(rule, "%(since)s")

    def _topic(self, rule: SequenceRule, state: TopicState, more: str = "") -> str:
        return (
            "EXISTS (SELECT FROM contacts_topicsubscription t"
            f" WHERE t.topic_id = {self._bind(rule.topic_id)} AND t.contact_id = c.id"
            f" AND t.state = '{state}'{more})"
        )

    def _tier(self, rule: SequenceRule) -> str:
        return self._bind(rule.tier.slug if rule.tier else "")

    def _tier_changed(self, condition: str) -> str:
        return (
            "EXISTS (SELECT FROM newsletter_scorechange s WHERE s.contact_id = c.id"
            " AND s.month >= date_trunc('month', %(since)s::timestamptz)::date"
            f" AND s.at >= %(since)s AND s.old_tier <> s.new_tier AND {condition})"
        )

    def _event(self, rule: SequenceRule, since: str) -> str:
        subject = f" AND i.subject = {self._bind(rule.subject)}" if rule.subject else ""
        return (
            "EXISTS (SELECT FROM newsletter_interaction i WHERE i.contact_id = c.id"
            f" AND i.month >= date_trunc('month', {since}::timestamptz)::date"
            f" AND i.occurred_at >= {since} AND i.brand_id = c.brand_id"
            f" AND i.kind = {self._bind(rule.event)}{subject})"
        )

    def _bind(self, value: object) -> str:
        name = f"rule_{len(self.params)}"
        self.params[name] = value
        return f"%({name})s"


# `clicked_at` is the first click of a person; those of machines are kept apart.
_CLICKED = (
    "EXISTS (SELECT FROM newsletter_stepmail sent"
    " JOIN mail_message m ON m.month = sent.month AND m.mailing_id = sent.mailing_id"
    " AND m.contact_id = sent.contact_id AND m.idempotency_key IS NULL"
    " WHERE sent.enrolment_id = e.id AND m.clicked_at IS NOT NULL)"
)
