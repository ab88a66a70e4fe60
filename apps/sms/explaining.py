"""Why somebody would or would not get a text now, by the very conditions of the minute's run."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db import connection
from django.utils import timezone

from apps.sms import config as settings_of_brands
from apps.sms.choosing import parameters, pool, statements
from apps.sms.choosing.reasons import WORDING, Reason
from apps.sms.choosing.rules import LOG_RULES, PERSON_RULES
from apps.sms.models import ChoiceRun, SentText, Subscriber

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# What the run asks twice is shown once, as the log tells it: the tally only spares it a look.
_ASKED_TWICE = {rule.reason for rule in PERSON_RULES} & {rule.reason for rule in LOG_RULES}

_CAMPAIGN_STATES = """
SELECT state, reason, sum(number)::bigint FROM sms_textfigure
 WHERE message_id IN (SELECT id FROM sms_textmessage WHERE campaign_id = %(campaign)s)
   AND local_day >= %(since)s
 GROUP BY state, reason
"""


@dataclass(frozen=True)
class Verdict:
    """One rule: whether it allows a text now, in words why not, and what it looked at."""

    reason: Reason
    allows: bool
    wording: str
    shown: Mapping[str, Any]


@dataclass(frozen=True)
class Explanation:
    """`stopped_by` holds the whole brand back, whoever the person is; "" where nothing does.

    `messages` are the ids of those the person may get now, were all verdicts in favour.
    """

    stopped_by: str
    verdicts: tuple[Verdict, ...]
    messages: tuple[int, ...]

    @property
    def reason(self) -> str:
        """The first thing that speaks against, as the run would count it; "" = would get one."""
        against = (one.reason for one in self.verdicts if not one.allows)
        return self.stopped_by or next(against, "")


def explain(*, subscriber_id: int, brand_id: int, at: datetime | None = None) -> Explanation:
    """Every rule with its verdict at `at` (now unless given). Takes nobody's turn, changes nothing.

    What belongs to the whole run is left out: how far this minute's run gets, and the total caps
    of campaigns that more people are in line for.
    """
    moment = (at or timezone.now()).astimezone(UTC)
    config = settings_of_brands.read(brand_id)
    choices = pool.read_pool(brand_id=brand_id, at=moment)
    stopped_by = "" if config.sending else ChoiceRun.StoppedBy.SENDING_OFF
    if not choices:
        stopped_by = stopped_by or ChoiceRun.StoppedBy.NO_MESSAGES
    # Of the person alone: nobody else's place is asked about.
    pairs = list(Subscriber.objects.filter(pk=subscriber_id).values_list("timezone", "state"))
    given = parameters.build(
        brand_id=brand_id, config=config, choices=choices, at=moment, pairs=pairs
    )
    with connection.cursor() as cursor:
        statement = statements.explain(parameters.shape_of(choices))
        cursor.execute(statement, {**given, "subscriber": subscriber_id})
        row = cursor.fetchone()
        names = [column.name for column in cursor.description or ()]
    if row is None:
        return Explanation(stopped_by, (_never_subscribed(),), ())
    found = dict(zip(names, row, strict=True))
    open_to = found["bits"] or ""
    messages = (one.message_id for one, bit in zip(choices, open_to, strict=True) if bit == "1")
    return Explanation(stopped_by, tuple(_verdicts(found)), tuple(messages))


def _verdicts(found: Mapping[str, Any]) -> Iterator[Verdict]:
    for kind, rules in (("person", PERSON_RULES), ("log", LOG_RULES)):
        for number, rule in enumerate(rules):
            if kind == "person" and rule.reason in _ASKED_TWICE:
                continue
            shown = json.loads(found[f"{kind}{number}_shown"])
            allows = bool(found[f"{kind}{number}"])
            yield Verdict(rule.reason, allows, WORDING[rule.reason], shown)


def _never_subscribed() -> Verdict:
    return Verdict(Reason.NOT_SUBSCRIBED, allows=False, wording="never joined the brand", shown={})


@dataclass(frozen=True)
class CampaignCounts:
    """A campaign's texts by state and, where they were not sent, by reason, over some days.

    `left_out` counts by reason who was left out of the brand's newest run that looked at anybody,
    at `run_at`; that run chose among the messages of all the brand's campaigns.
    """

    states: Mapping[str, int]
    reasons: Mapping[str, int]
    left_out: Mapping[str, int]
    run_at: datetime | None


def count_campaign(*, campaign_id: int, brand_id: int, days: int = 7) -> CampaignCounts:
    """Two statements. The texts are those of the last count (see `figures`)."""
    since = timezone.now().date() - timedelta(days=days)
    states: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    with connection.cursor() as cursor:
        cursor.execute(_CAMPAIGN_STATES, {"campaign": campaign_id, "since": since})
        for state, reason, number in cursor.fetchall():
            states[state] += number
            if state not in {SentText.State.RESERVED, SentText.State.CALLING, SentText.State.SENT}:
                reasons[reason] += number
    newest = ChoiceRun.objects.filter(brand=brand_id, looked_at__gt=0).order_by("-minute").first()
    left_out = newest.reasons if newest else {}
    return CampaignCounts(dict(states), dict(reasons), left_out, newest.minute if newest else None)
