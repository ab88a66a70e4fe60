"""Storing the provider's calls, and obeying those to leave before they are answered.

Calls are not signed, so nothing in them opts anybody in: that is left to the list sync, which asks
the provider itself. Leaving needs no proof.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson
import structlog
from django.db import connection, transaction

from apps.queues.correlation import correlation_id
from apps.queues.enqueueing import enqueue
from apps.queues.names import TaskName
from apps.sms import leaving
from apps.sms.callbacks import replying
from apps.sms.callbacks.reading import OPT_OUT, OPT_OUT_ALL
from apps.sms.models import OptInList
from apps.sms.tracking import keywords

if TYPE_CHECKING:
    from apps.brands.models import ProviderAccount
    from apps.sms.callbacks.reading import Told

log = structlog.get_logger(__name__)

# The provider repeats a call that we did not answer; the same after this long is a new one.
REPEATED_WITHIN_MINUTES = 10
STOP_ALL = "stopall"


@dataclass(frozen=True, slots=True)
class _Wish:
    """Who should leave what: `brand_ids` None is every brand."""

    brand_ids: list[int] | None
    word: str


@transaction.atomic
def receive(*, account: ProviderAccount, told: Told) -> bool:
    """Whether the call is new. A call to leave is obeyed also where it is a repetition."""
    stored = _store(account, told)
    meanings = keywords.meanings([told.keyword, keywords.STOP])
    brands = brands_meant(account, told, meanings)
    meaning = keywords.meaning_for(told.keyword, brands, meanings)
    if told.action in (OPT_OUT, OPT_OUT_ALL) or (meaning and meaning.kind == keywords.STOP):
        everywhere = told.action == OPT_OUT_ALL or keywords.normalise(told.keyword) == STOP_ALL
        wish = _Wish(None if everywhere or not brands else brands, told.keyword or keywords.STOP)
        _leave(account, told, wish, meanings)
    elif meaning and meaning.kind == keywords.HELP and stored is not None:
        replying.answer(account=account, phone=told.place.phone, brand_ids=brands, meaning=meaning)
    if stored is not None:
        enqueue(TaskName.APPLY_CALLBACKS)
    log.info("callback_received", account=account.pk, action=told.action, new=stored is not None)
    return stored is not None


def brands_meant(
    account: ProviderAccount, told: Told, meanings: dict[str, list[keywords.Meaning]]
) -> list[int]:
    """The brands of the list, else of the word; none where neither tells."""
    lists = OptInList.objects.filter(account=account, list_id=told.list_id)
    by_list = list(lists.values_list("brand_id", flat=True)) if told.list_id else []
    if by_list:
        return sorted(set(by_list))
    rows = meanings.get(keywords.word_of(told.keyword), [])
    return sorted({one.brand_id for one in rows if one.brand_id is not None})


def _leave(
    account: ProviderAccount,
    told: Told,
    wish: _Wish,
    meanings: dict[str, list[keywords.Meaning]],
) -> None:
    left = leaving.opt_out_number(place=told.place, brand_ids=wish.brand_ids, source="callback")
    if not left.changed:
        return  # confirmed when they left
    brands = wish.brand_ids or []
    meaning = keywords.meaning_for(wish.word, brands, meanings)
    if meaning is None or meaning.kind != keywords.STOP:
        meaning = keywords.meaning_for(keywords.STOP, brands, meanings)
    if meaning is not None:
        replying.answer(account=account, phone=told.place.phone, brand_ids=brands, meaning=meaning)


def _store(account: ProviderAccount, told: Told) -> int | None:
    """The new row's id; None where the number's last call said the same a moment ago."""
    facts: dict[str, Any] = {
        "account": account.pk,
        "action": told.action,
        "phone": told.place.phone,
        "list": told.list_id,
        "keyword": told.keyword,
        "fields": orjson.dumps(told.fields).decode(),
        "digest": told.digest,
        "minutes": REPEATED_WITHIN_MINUTES,
        "correlation": correlation_id(),
    }
    with connection.cursor() as cursor:
        # Two calls about one number, at once: the second must see the first.
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%(phone)s, 7))", facts)
        cursor.execute(_STORE, facts)
        row = cursor.fetchone()
    return row[0] if row else None


_STORE = """
INSERT INTO sms_limecallback
    (account_id, action, phone, list_id, keyword, fields, digest, correlation_id)
SELECT %(account)s, %(action)s, %(phone)s, %(list)s, %(keyword)s, %(fields)s, %(digest)s,
       %(correlation)s
WHERE NOT EXISTS (
    SELECT 1 FROM (
        SELECT digest, received_at FROM sms_limecallback
        WHERE phone = %(phone)s AND account_id = %(account)s ORDER BY id DESC LIMIT 1
    ) last
    WHERE last.digest = %(digest)s
      AND last.received_at > statement_timestamp() - make_interval(mins => %(minutes)s)
)
RETURNING id
"""
