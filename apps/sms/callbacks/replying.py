"""The one answer to STOP and HELP: within minutes or not at all, and nothing but the answer.

Rows wait in an outbox of their own and go out under the two marks of every text: `calling` is
committed before the call, and what is not known to have arrived is `unknown` and stays so. They
do not wait for the brand's switch for sending, for nobody may be kept waiting for these; a dry run
holds them back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import structlog
from django.db import connection

from apps.brands.models import ProviderAccount
from apps.queues.correlation import under_correlation_id
from apps.queues.enqueueing import enqueue
from apps.queues.names import TaskName
from apps.sms import config
from apps.sms.calling import singles
from apps.sms.lime import Kind
from apps.sms.models import OptInList, TextConfig, TextReply

if TYPE_CHECKING:
    from collections.abc import Collection

    from apps.sms.lime import Verdict
    from apps.sms.tracking.keywords import Meaning

log = structlog.get_logger(__name__)

ANSWER_MINUTES = 5
TRY_AGAIN_SECONDS = 10.0
# Longer than any call; after it nobody is at the row any more.
LEASE_SECONDS = 90.0
PAGE = 20

_STATE_BY_KIND = {
    Kind.ACCEPTED: TextReply.State.SENT,
    Kind.AMBIGUOUS: TextReply.State.UNKNOWN,
    Kind.NOT_SENT: TextReply.State.WAITING,
}


def answer(
    *, account: ProviderAccount, phone: str, brand_ids: Collection[int], meaning: Meaning
) -> bool:
    """Whether a reply was put into the outbox: where the word has one, and a brand to speak for."""
    brand_id = meaning.brand_id or next(iter(brand_ids), None) or _brand_of(account)
    if not meaning.reply or brand_id is None:
        return False
    with connection.cursor() as cursor:
        cursor.execute(
            _ANSWER,
            {
                "brand": brand_id,
                "account": account.pk,
                "phone": phone,
                "body": meaning.reply,
                "kind": meaning.kind,
                "minutes": ANSWER_MINUTES,
            },
        )
    enqueue(TaskName.SEND_REPLIES)
    return True


def _brand_of(account: ProviderAccount) -> int | None:
    """A brand that texts from the account."""
    by_list = OptInList.objects.filter(account=account).values_list("brand_id", flat=True)
    by_config = TextConfig.objects.filter(account=account, brand__isnull=False)
    first = by_list.order_by("brand_id").first()
    return first or by_config.values_list("brand_id", flat=True).order_by("brand_id").first()


@dataclass(frozen=True, slots=True)
class _Claimed:
    id: int
    fence: int
    brand_id: int
    account_id: int
    phone: str
    body: str
    correlation_id: str


def send_replies() -> int:
    """Sends what waits; returns how many calls were made."""
    with connection.cursor() as cursor:
        cursor.execute(_GIVE_UP)
    sent = 0
    while (claimed := _claim()) is not None:
        with under_correlation_id(claimed.correlation_id):
            _settle(claimed, _send(claimed))
        sent += 1
    return sent


def _claim() -> _Claimed | None:
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, [LEASE_SECONDS])
        row = cursor.fetchone()
    return _Claimed(*row) if row else None


def _send(claimed: _Claimed) -> Verdict:
    account = ProviderAccount.objects.get(pk=claimed.account_id)
    shortcode = config.effective(claimed.brand_id).shortcode
    return singles.send_one(
        account=account, shortcode=shortcode, phone=claimed.phone, body=claimed.body
    )


def _settle(claimed: _Claimed, verdict: Verdict) -> None:
    state = _STATE_BY_KIND.get(verdict.kind, TextReply.State.FAILED)
    facts: dict[str, Any] = {
        "id": claimed.id,
        "fence": claimed.fence,
        "state": state,
        "detail": f"{verdict.reason} {verdict.text}".strip()[:300],
        "again": TRY_AGAIN_SECONDS,
    }
    with connection.cursor() as cursor:
        cursor.execute(_SETTLE, facts)
    log.info("reply_settled", reply=claimed.id, outcome=str(state), reason=verdict.reason)


_ANSWER = """
INSERT INTO sms_textreply (brand_id, account_id, phone, body, kind, expires_at)
VALUES (%(brand)s, %(account)s, %(phone)s, %(body)s, %(kind)s,
        statement_timestamp() + make_interval(mins => %(minutes)s))
"""

# Too late, or its worker died with the call under way: nobody knows whether it arrived.
_GIVE_UP = """
UPDATE sms_textreply SET
    state = CASE state WHEN 'waiting' THEN 'expired' ELSE 'unknown' END,
    detail = CASE state WHEN 'waiting' THEN detail ELSE 'its worker died' END,
    settled_at = statement_timestamp()
WHERE (state = 'waiting' AND expires_at <= statement_timestamp())
   OR (state = 'calling' AND due_at <= statement_timestamp())
"""

_CLAIM = """
UPDATE sms_textreply r SET
    state = 'calling', fence = r.fence + 1, attempts = r.attempts + 1,
    due_at = statement_timestamp() + make_interval(secs => %s)
FROM (
    SELECT t.id FROM sms_textreply t
    JOIN brands_provideraccount a ON a.id = t.account_id AND a.stopped_at IS NULL
    WHERE t.state = 'waiting' AND t.due_at <= statement_timestamp()
      AND t.expires_at > statement_timestamp()
      AND NOT coalesce(
          (SELECT dry_run FROM sms_textconfig WHERE brand_id = t.brand_id),
          (SELECT dry_run FROM sms_textconfig WHERE brand_id IS NULL), false)
    ORDER BY t.due_at LIMIT 1 FOR UPDATE OF t SKIP LOCKED
) next
WHERE r.id = next.id
RETURNING r.id, r.fence, r.brand_id, r.account_id, r.phone, r.body, r.correlation_id
"""

_SETTLE = """
UPDATE sms_textreply SET
    state = %(state)s, detail = %(detail)s,
    due_at = statement_timestamp() + make_interval(secs => %(again)s),
    settled_at = CASE WHEN %(state)s <> 'waiting' THEN statement_timestamp() END
WHERE id = %(id)s AND fence = %(fence)s AND state = 'calling'
"""
