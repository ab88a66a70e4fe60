"""Telling machines that open and click from people.

Mail is opened by proxies that fetch its images ahead, and clicked by scanners that look behind
every link. What gives them away, each on its own:

- **who they are**: user agent or address, by the rows of `MachineRule` (where the event has them:
  clicks do, opens as a rule do not). Behind some proxies there is a person, who looks at the mail
  through it: such a rule holds for some seconds after the delivery only.
- **haste**: within `FLUX_MACHINE_SECONDS` of the delivery, or before it, nobody has read anything.
- **many links at once**: a person does not click two different links within a second.

The verdict on an open or click is a function of all that was told of its mail, whatever the order:
it is judged again when more is told (`judge`), and can turn.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING

import structlog
from django.conf import settings
from django.db import connection

from apps.mail.reports.models import MACHINE_LIMIT, MachineRule

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from ipaddress import IPv4Network, IPv6Network

    from apps.mail.events.standings import Target

log = structlog.get_logger(__name__)

HASTE = "haste"
BURST = "many links at once"
# What `judge` decides; every other word in `machine` is a rule's name and stays.
JUDGED = ("", HASTE, BURST)
BURST_SECONDS = 1.0
# Rules are changed by hand, now and then.
RULES_KEPT_SECONDS = 30.0


@dataclass(frozen=True)
class Suspicion:
    """What is known of an open or click by itself.

    The machine's name, empty where it may be a person, and within how many seconds of the delivery
    it is none.
    """

    machine: str
    haste: float


class Recogniser:
    """Knows machines by rules, those that always hold first."""

    def __init__(self, rules: Sequence[MachineRule], *, haste: float) -> None:
        self._haste = haste
        ordered = sorted(rules, key=lambda rule: (rule.within_seconds is not None, rule.pk))
        self._agents = [
            (rule, rule.pattern.lower()) for rule in ordered if rule.kind != rule.Kind.NETWORK
        ]
        self._networks = [
            (rule, network)
            for rule in ordered
            if rule.kind == rule.Kind.NETWORK and (network := _network(rule)) is not None
        ]

    def suspect(self, *, agent: str, ip: str) -> Suspicion:
        """By what the event says of who it was; both may be empty."""
        found = [rule for rule in (self._by_agent(agent), self._by_network(ip)) if rule]
        always = next((rule for rule in found if rule.within_seconds is None), None)
        if always is not None:
            return Suspicion(always.name[:MACHINE_LIMIT], self._haste)
        waits = [rule.within_seconds or 0 for rule in found]
        return Suspicion("", max([self._haste, *waits]))

    def _by_agent(self, agent: str) -> MachineRule | None:
        lower = agent.strip().lower()
        if not lower:
            return None
        for rule, pattern in self._agents:
            if pattern == lower if rule.kind == rule.Kind.AGENT_IS else pattern in lower:
                return rule
        return None

    def _by_network(self, ip: str) -> MachineRule | None:
        try:
            address = ip_address(ip.strip())
        except ValueError:
            return None
        return next((rule for rule, network in self._networks if _lies(address, network)), None)


def _network(rule: MachineRule) -> IPv4Network | IPv6Network | None:
    """None for what is no network: an event must not wait for somebody to mend a rule."""
    try:
        return ip_network(rule.pattern, strict=False)
    except ValueError:
        log.warning("machine_rule_is_no_network", rule=rule.pk)
        return None


def _lies(address: object, network: IPv4Network | IPv6Network) -> bool:
    return getattr(address, "version", 0) == network.version and address in network


_kept: tuple[float, Recogniser] | None = None


def recogniser() -> Recogniser:
    """By the present rules; kept for some seconds by each process."""
    global _kept  # noqa: PLW0603 - one per process
    now = time.monotonic()
    if _kept is None or now >= _kept[0]:
        rules = list(MachineRule.objects.filter(enabled=True))
        _kept = now + RULES_KEPT_SECONDS, Recogniser(rules, haste=settings.MACHINE_SECONDS)
    return _kept[1]


def forget_rules() -> None:
    """The next event is recognised by the rules as they are then."""
    global _kept  # noqa: PLW0603 - one per process
    _kept = None


# What was told of each mail as a whole, judged anew; the mail's own times are those of the first
# open and click of a person, and of the first of a machine. The rows are locked by the caller.
_JUDGE = """
WITH given AS MATERIALIZED (
    SELECT message.month, message.id, message.delivered_at
      FROM unnest(%(months)s::date[], %(ids)s::bigint[]) AS one (month, id)
      JOIN mail_message message ON message.month = one.month AND message.id = one.id
), opens AS MATERIALIZED (
    SELECT one.month, one.message_id, one.opened_at AS at, one.machine AS before,
           CASE WHEN one.machine <> ALL(%(judged)s) THEN one.machine
                WHEN one.opened_at < given.delivered_at + make_interval(secs => one.haste)
                THEN %(haste)s ELSE '' END AS machine
      FROM given
      JOIN mail_open one ON one.month = given.month AND one.message_id = given.id
), clicks AS MATERIALIZED (
    SELECT one.month, one.message_id, one.link_id, one.clicked_at AS at, one.machine AS before,
           CASE WHEN one.machine <> ALL(%(judged)s) THEN one.machine
                WHEN one.clicked_at < given.delivered_at + make_interval(secs => one.haste)
                THEN %(haste)s
                WHEN EXISTS (SELECT 1 FROM mail_click other
                              WHERE other.month = one.month AND other.message_id = one.message_id
                                AND other.link_id <> one.link_id
                                AND other.clicked_at > one.clicked_at
                                                       - make_interval(secs => %(burst_s)s)
                                AND other.clicked_at < one.clicked_at
                                                       + make_interval(secs => %(burst_s)s))
                THEN %(burst)s ELSE '' END AS machine
      FROM given
      JOIN mail_click one ON one.month = given.month AND one.message_id = given.id
), opens_turned AS (
    UPDATE mail_open one SET machine = opens.machine FROM opens
     WHERE one.month = opens.month AND one.message_id = opens.message_id
       AND one.opened_at = opens.at AND opens.machine <> opens.before
), clicks_turned AS (
    UPDATE mail_click one SET machine = clicks.machine FROM clicks
     WHERE one.month = clicks.month AND one.link_id = clicks.link_id
       AND one.message_id = clicks.message_id AND one.clicked_at = clicks.at
       AND clicks.machine <> clicks.before
), seen AS (
    SELECT month, message_id, min(at) FILTER (WHERE machine = '' AND NOT is_click) AS opened_at,
           min(at) FILTER (WHERE machine <> '' AND NOT is_click) AS machine_opened_at,
           min(at) FILTER (WHERE machine = '' AND is_click) AS clicked_at,
           min(at) FILTER (WHERE machine <> '' AND is_click) AS machine_clicked_at
      FROM (SELECT month, message_id, at, machine, false AS is_click FROM opens
             UNION ALL
            SELECT month, message_id, at, machine, true FROM clicks) told
     GROUP BY month, message_id
)
UPDATE mail_message message
   SET opened_at = seen.opened_at, clicked_at = seen.clicked_at,
       machine_opened_at = seen.machine_opened_at, machine_clicked_at = seen.machine_clicked_at
  FROM seen
 WHERE message.month = seen.month AND message.id = seen.message_id
   AND (message.opened_at, message.clicked_at, message.machine_opened_at,
        message.machine_clicked_at)
       IS DISTINCT FROM
       (seen.opened_at, seen.clicked_at, seen.machine_opened_at, seen.machine_clicked_at)
"""


def judge(targets: Collection[Target]) -> None:
    """Decides what the opens and clicks of these messages were. One statement, however many.

    A message without any is left as it is.
    """
    if not targets:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            _JUDGE,
            {
                "months": [target.month for target in targets],
                "ids": [target.id for target in targets],
                "judged": list(JUDGED),
                "haste": HASTE,
                "burst": BURST,
                "burst_s": BURST_SECONDS,
            },
        )
