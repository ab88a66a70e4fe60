"""The rules as SQL conditions, in the order in which they are asked.

One place for what the run applies and what an explanation shows. Each condition says that the
person MAY get a text; where it is not true, null included, they get none, and the rule is the
reason. `shown` is what the rule looked at, as a jsonb object.

Aliases: `subscription`, `subscriber`, `place` (see `places`), `tally`; for the second list `page`
(a person with their place) and `had` (what the log holds of them).
"""

from __future__ import annotations

from dataclasses import dataclass

from apps.sms.choosing.allowing import suppression_sql
from apps.sms.choosing.reasons import Reason


@dataclass(frozen=True)
class Rule:
    reason: Reason
    allows: str
    shown: str = "'{}'::jsonb"


def _place_rule(reason: Reason) -> Rule:
    return Rule(
        reason,
        f"place.refused <> '{reason}'",
        "jsonb_build_object('timezone', subscriber.timezone, 'state', subscriber.state)",
    )


PERSON_RULES = (
    Rule(
        Reason.NOT_SUBSCRIBED,
        "subscription.active",
        "jsonb_build_object('opted_out_at', subscription.opted_out_at)",
    ),
    Rule(
        Reason.OPTED_OUT,
        "subscriber.status = 'ACTIVE'",
        "jsonb_build_object('status', subscriber.status)",
    ),
    _place_rule(Reason.NO_ZONE),
    _place_rule(Reason.STATE_UNKNOWN),
    _place_rule(Reason.OUTSIDE_HOURS),
    Rule(
        Reason.NOT_VERIFIED,
        "(%(verified_after)s::timestamptz IS NULL"
        " OR subscription.verified_at >= %(verified_after)s)",
        "jsonb_build_object('verified_at', subscription.verified_at,"
        " 'not_before', %(verified_after)s::timestamptz)",
    ),
    Rule(
        Reason.NOT_ENGAGED,
        "(%(engaged_after)s::timestamptz IS NULL"
        " OR greatest(subscriber.last_engagement, subscription.opted_in_at) >= %(engaged_after)s)",
        "jsonb_build_object('last_engagement', subscriber.last_engagement,"
        " 'opted_in_at', subscription.opted_in_at, 'not_before', %(engaged_after)s::timestamptz)",
    ),
    # The two below are asked of the log again: here they only spare the look into it.
    Rule(
        Reason.DAILY_LIMIT,
        "(tally.day IS DISTINCT FROM place.day OR tally.texts < %(daily_limit)s)",
    ),
    Rule(
        Reason.TOO_SOON,
        "coalesce(tally.last_at <= %(quiet_since)s OR tally.texts = 0, true)",
    ),
)

LOG_RULES = (
    Rule(
        Reason.SUPPRESSED,
        f"NOT EXISTS ({suppression_sql('page.phone', '%(brand)s')})",
    ),
    Rule(
        Reason.DAILY_LIMIT,
        "coalesce(had.today, 0) < %(daily_limit)s",
        "jsonb_build_object('texts_today', coalesce(had.today, 0), 'limit', %(daily_limit)s)",
    ),
    Rule(
        Reason.TOO_SOON,
        "coalesce(had.last_at <= %(quiet_since)s, true)",
        "jsonb_build_object('last_at', had.last_at, 'not_after', %(quiet_since)s::timestamptz)",
    ),
    Rule(
        Reason.STATE_LIMIT,
        "(page.max_per_24h IS NULL OR coalesce(had.in_24h, 0) < page.max_per_24h)",
        "jsonb_build_object('texts_in_24h', coalesce(had.in_24h, 0), 'limit', page.max_per_24h)",
    ),
    Rule(
        Reason.NO_MESSAGE_NOW,
        "bit_count(page.open_to) > 0",
    ),
    # Each of these is asked only of what the one before has left over: else an explanation would
    # name caps that nobody has reached.
    Rule(
        Reason.CAMPAIGN_WEEK,
        "(bit_count(page.open_to) = 0 OR bit_count(page.open_to & ~had.capped) > 0)",
    ),
    Rule(
        Reason.HAD_ALL_TODAY,
        "(bit_count(page.open_to & ~had.capped) = 0"
        " OR bit_count(page.open_to & ~had.capped"
        " & ~coalesce(had.messages, %(none)s::varbit)) > 0)",
    ),
)


def first_refusal(rules: tuple[Rule, ...]) -> str:
    """A SQL expression: the number of the first rule that speaks against, from 1 on; 0: none."""
    cases = " ".join(
        f"WHEN ({rule.allows}) IS NOT TRUE THEN {number}" for number, rule in enumerate(rules, 1)
    )
    return f"CASE {cases} ELSE 0 END"
