"""Writing what events say into the ledger: a fixed number of statements, however many events.

Messages are locked first, in the order of their ids, and those that somebody else holds are left
for the next page: settling locks a batch before its messages, and waiting here could deadlock.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from django.db import connection

from apps.mail.doubts import Move, recount
from apps.mail.models import Message

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from datetime import date, datetime

    from apps.mail.events.reading import Report

    # Account, mailing, message: what an event names.
    Name = tuple[int, int, int]

# An event about one of these proves that the provider has the mail after all.
DISPROVED = (Message.State.UNKNOWN, Message.State.FAILED)


@dataclass(frozen=True)
class Target:
    """A message that an event names, in a mailing of the event's account.

    `state` is None, and so is all that follows, where somebody else holds the row at the moment;
    else we hold it.
    """

    month: date
    id: int
    brand_id: int
    state: str | None
    batch_id: int | None
    provider_id: str | None
    address: str | None


@dataclass(frozen=True)
class Rise:
    """Everything that a page's events say about one message; they may come in any order."""

    target: Target
    standing: int
    standing_at: datetime | None
    delivered_at: datetime | None
    provider_id: str

    @classmethod
    def of(cls, target: Target, report: Report) -> Rise:
        return cls(
            target=target,
            standing=report.standing,
            standing_at=report.standing_at,
            delivered_at=report.delivered_at,
            provider_id=report.provider_id,
        )

    def with_(self, other: Rise) -> Rise:
        """The higher standing with its earliest time, and the first delivery."""
        standing = max(self.standing, other.standing)
        return replace(
            self,
            standing=standing,
            standing_at=_earliest(
                one.standing_at for one in (self, other) if one.standing == standing
            ),
            delivered_at=_earliest((self.delivered_at, other.delivered_at)),
            provider_id=self.provider_id or other.provider_id,
        )


def _earliest(moments: Iterable[datetime | None]) -> datetime | None:
    return min((moment for moment in moments if moment is not None), default=None)


_LOCK = """
WITH wanted AS (
    SELECT DISTINCT account_id, mailing_id, message_id
      FROM unnest(%(accounts)s::bigint[], %(mailings)s::bigint[], %(messages)s::bigint[])
        AS named (account_id, mailing_id, message_id)
), found AS MATERIALIZED (
    SELECT message.month, message.id, mailing.account_id, mailing.id AS mailing_id,
           mailing.brand_id
      FROM wanted
      JOIN mail_mailing mailing
        ON mailing.id = wanted.mailing_id AND mailing.account_id = wanted.account_id
      JOIN mail_message message
        ON message.month = mailing.month AND message.id = wanted.message_id
       AND message.mailing_id = mailing.id
), locked AS MATERIALIZED (
    SELECT found.*, message.state, message.batch_id, message.provider_id, message.address
      FROM found JOIN mail_message message
        ON message.month = found.month AND message.id = found.id
     ORDER BY message.month, message.id
       FOR NO KEY UPDATE OF message SKIP LOCKED
)
SELECT account_id, mailing_id, id, month, brand_id, NULL, NULL, NULL, NULL FROM found
UNION ALL
SELECT account_id, mailing_id, id, month, brand_id, state, batch_id, provider_id, address
  FROM locked
"""


def lock_targets(names: Collection[Name]) -> dict[Name, Target]:
    """The messages by the names that events gave them; a name that is missing is none of ours."""
    if not names:
        return {}
    accounts, mailings, messages = zip(*names, strict=True)
    with connection.cursor() as cursor:
        cursor.execute(
            _LOCK,
            {"accounts": list(accounts), "mailings": list(mailings), "messages": list(messages)},
        )
        rows = cursor.fetchall()
    targets: dict[Name, Target] = {}
    for account, mailing, message, month, *rest in rows:
        target = Target(month, message, *rest)
        if target.state is not None or (account, mailing, message) not in targets:
            targets[account, mailing, message] = target
    return targets


# The rows are locked, so what `risen` reads is what is updated. A row that would stay as it is is
# not written: a redelivery costs nothing.
_RAISE = """
WITH given AS MATERIALIZED (
    SELECT * FROM unnest(
        %(months)s::date[], %(ids)s::bigint[], %(standings)s::smallint[],
        %(standing_ats)s::timestamptz[], %(delivered_ats)s::timestamptz[],
        %(provider_ids)s::text[])
        AS one (month, id, standing, standing_at, delivered_at, provider_id)
), risen AS MATERIALIZED (
    SELECT message.month, message.id,
           CASE WHEN message.state = ANY(%(disproved)s) THEN 'sent' ELSE message.state END
               AS state,
           greatest(message.delivery, given.standing) AS delivery,
           CASE WHEN given.standing > message.delivery THEN given.standing_at
                WHEN given.standing = message.delivery
                THEN least(message.delivery_at, given.standing_at)
                ELSE message.delivery_at END AS delivery_at,
           least(message.delivered_at, given.delivered_at) AS delivered_at,
           CASE WHEN message.provider_id = '' THEN given.provider_id
                ELSE message.provider_id END AS provider_id
      FROM given
      JOIN mail_message message ON message.month = given.month AND message.id = given.id
)
UPDATE mail_message message
   SET state = risen.state, delivery = risen.delivery, delivery_at = risen.delivery_at,
       delivered_at = risen.delivered_at, provider_id = risen.provider_id,
       reason = CASE WHEN risen.state = message.state THEN message.reason ELSE '' END,
       detail = CASE WHEN risen.state = message.state THEN message.detail ELSE '' END
  FROM risen
 WHERE message.month = risen.month AND message.id = risen.id
   AND (message.state, message.delivery, message.delivery_at, message.delivered_at,
        message.provider_id)
       IS DISTINCT FROM
       (risen.state, risen.delivery, risen.delivery_at, risen.delivered_at, risen.provider_id)
"""


def raise_messages(rises: Collection[Rise]) -> None:
    """Raises the locked messages; what we took for unknown or failed becomes sent."""
    if not rises:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            _RAISE,
            {
                "disproved": [str(state) for state in DISPROVED],
                "months": [rise.target.month for rise in rises],
                "ids": [rise.target.id for rise in rises],
                "standings": [int(rise.standing) for rise in rises],
                "standing_ats": [rise.standing_at for rise in rises],
                "delivered_ats": [rise.delivered_at for rise in rises],
                "provider_ids": [rise.provider_id for rise in rises],
            },
        )
    recount(_moves(rises), note="Delivery events prove that the provider accepted the mails.")


def _moves(rises: Iterable[Rise]) -> list[Move]:
    """What becomes of the counts of the batches whose messages turn out to be sent."""
    targets = [rise.target for rise in rises]
    unknown = Counter(_batches_of(targets, Message.State.UNKNOWN))
    failed = Counter(_batches_of(targets, Message.State.FAILED))
    return [
        Move(batch_id, sent=unknown[batch_id] + failed[batch_id],
             unknown=-unknown[batch_id], failed=-failed[batch_id])
        for batch_id in sorted(unknown.keys() | failed.keys())
    ]  # fmt: skip


def _batches_of(targets: Iterable[Target], state: Message.State) -> list[int]:
    return [
        target.batch_id
        for target in targets
        if target.state == state and target.batch_id is not None
    ]
