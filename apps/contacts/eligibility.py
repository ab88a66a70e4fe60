"""Who may be mailed what: one matrix, asked set-based in SQL and by address.

Both questions below read `STOPS`; nothing else in the station decides who is skipped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import connection, models

from apps.contacts import digests
from apps.contacts.models import ContactStatus, SuppressionReason, TopicState

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from apps.brands.models import Brand


class MailClass(models.TextChoices):
    COMMERCIAL = "commercial", "commercial"
    CONFIRMATION = "confirmation", "confirmation"
    TRANSACTIONAL = "transactional", "transactional"


class SkipReason(models.TextChoices):
    """In order of weight: where several apply, the first is told."""

    ERASED = "erased", "had all traces removed"
    BLOCKED = "blocked", "blocked by hand"
    HARD_BOUNCE = "hard_bounce", "the address does not exist"
    COMPLAINT = "complaint", "complained about a mail"
    UNSUBSCRIBED = "unsubscribed", "has unsubscribed"
    NOT_OPTED_IN = "not_opted_in", "has not opted in"
    PAUSED = "paused", "asked for a pause"


_EVERY_CLASS = frozenset(MailClass)

# The matrix: which classes of mail a reason stops.
STOPS: Mapping[SkipReason, frozenset[MailClass]] = {
    SkipReason.ERASED: _EVERY_CLASS,
    SkipReason.BLOCKED: _EVERY_CLASS,
    SkipReason.HARD_BOUNCE: _EVERY_CLASS,
    SkipReason.COMPLAINT: _EVERY_CLASS,
    SkipReason.UNSUBSCRIBED: frozenset({MailClass.COMMERCIAL}),
    SkipReason.NOT_OPTED_IN: frozenset({MailClass.COMMERCIAL}),
    SkipReason.PAUSED: frozenset({MailClass.COMMERCIAL}),
}
# The one field of it that a brand decides, by `transactional_after_complaint`.
BRAND_MAY_ALLOW = (SkipReason.COMPLAINT, MailClass.TRANSACTIONAL)

_OF_STATUS = {
    ContactStatus.UNSUBSCRIBED: SkipReason.UNSUBSCRIBED,
    ContactStatus.PENDING: SkipReason.NOT_OPTED_IN,
}


def stops(
    reason: SkipReason, mail_class: MailClass, *, transactional_after_complaint: bool
) -> bool:
    """One field of the matrix."""
    allowed = transactional_after_complaint and (reason, mail_class) == BRAND_MAY_ALLOW
    return mail_class in STOPS[reason] and not allowed


# A pause is taken by people who stay subscribed.
_SUBSCRIBED = frozenset({ContactStatus.SUBSCRIBED.value, SkipReason.PAUSED.value})
_BY_WEIGHT = tuple(SkipReason)
_WEIGHT = {reason: place for place, reason in enumerate(_BY_WEIGHT)}


def skip_reason_sql(
    mail_class: MailClass, *, contact_alias: str = "c", topic_ids: Collection[int] = ()
) -> tuple[str, dict[str, Any]]:
    """A scalar expression over a row of contacts_contact: a SkipReason's value, or null.

    Commercial mail about topics also needs an opt-in to one of `topic_ids`. The parameters are
    always empty: the text holds only constants of ours, so it fits any statement. It probes one
    index per contact: some 2.5 µs each, so a million takes 2.5 s in pages of any size.
    """
    parts = [_erased(contact_alias), _suppressed(mail_class, contact_alias)]
    if mail_class in STOPS[SkipReason.UNSUBSCRIBED]:
        parts.append(_status(contact_alias))
        if topic_ids:
            parts.append(_no_topic(contact_alias, topic_ids))
    if mail_class in STOPS[SkipReason.PAUSED]:
        parts.append(_paused(contact_alias))
    return f"coalesce({', '.join(parts)})", {}


def blocked_addresses(
    addresses: Collection[str], brand: Brand, mail_class: MailClass
) -> dict[str, SkipReason]:
    """Which look-up addresses must not get this class of mail from the brand, and why.

    One query, digests of erased people included: 1,000 addresses among 1,000,000 suppressed ones
    in some 5 ms. For commercial mail, which only subscribed contacts get, the contacts are asked
    too; any other address is not opted in.
    """
    weights = _stopping(brand, mail_class)
    subscribed = set()
    # Of each address the heaviest so far, as its place in SkipReason: thousands pass through here.
    found: dict[str, int] = {}
    for address, reason in _known_about(addresses, brand, mail_class):
        if reason in _SUBSCRIBED:
            subscribed.add(address)
        if reason in weights:
            weight = weights[reason]
            found[address] = min(found.get(address, weight), weight)
    if mail_class in STOPS[SkipReason.NOT_OPTED_IN]:
        for address in set(addresses) - subscribed:
            found.setdefault(address, _WEIGHT[SkipReason.NOT_OPTED_IN])  # else it is a heavier one
    return {address: _BY_WEIGHT[weight] for address, weight in found.items()}


def _stopping(brand: Brand, mail_class: MailClass) -> dict[str, int]:
    """The reasons that stop this class of the brand's mail, with their weight."""
    allowed = brand.transactional_after_complaint
    return {
        reason.value: weight
        for reason, weight in _WEIGHT.items()
        if stops(reason, mail_class, transactional_after_complaint=allowed)
    }


def _known_about(
    addresses: Collection[str], brand: Brand, mail_class: MailClass
) -> Iterator[tuple[str, str]]:
    """(address, reason) of suppressions and (address, reason or status) of contacts."""
    by_digest = digests.addresses_by_digest(addresses)
    asks_contacts = mail_class in STOPS[SkipReason.NOT_OPTED_IN]
    with connection.cursor() as cursor:
        cursor.execute(
            _SUPPRESSED + (_CONTACTS if asks_contacts else ""),
            # As one text each: a third of the time that arrays of literals take.
            {
                "addresses": "\n".join(addresses),
                "digests": "\n".join(by_digest),
                "brand": brand.pk,
            },
        )
        for address, digest, reason in cursor.fetchall():
            yield address or by_digest[digest], reason


def _paused(c: str, *, otherwise: str = "NULL") -> str:
    return (
        f"CASE WHEN {c}.paused_until > statement_timestamp() THEN '{SkipReason.PAUSED}'"
        f" ELSE {otherwise} END"
    )


_STATUS_AS_REASON = " ".join(
    f"WHEN '{status}' THEN '{reason}'" for status, reason in _OF_STATUS.items()
)
_SUPPRESSED = """
WITH asked AS MATERIALIZED (SELECT unnest(string_to_array(%(addresses)s, E'\n')) AS address)
SELECT p.address, NULL AS digest, p.reason FROM contacts_suppression p
WHERE p.address = ANY(ARRAY(SELECT address FROM asked)) AND p.lifted_at IS NULL
    AND (p.brand_id IS NULL OR p.brand_id = %(brand)s)
UNION ALL
SELECT NULL, encode(p.address_digest, 'hex'), p.reason FROM contacts_suppression p
WHERE p.lifted_at IS NULL AND p.address_digest = ANY(
    ARRAY(SELECT decode(unnest(string_to_array(%(digests)s, E'\n')), 'hex'))
)
"""
_CONTACTS = f"""
UNION ALL
SELECT c.address, NULL, CASE WHEN c.erased_at IS NOT NULL THEN '{SkipReason.ERASED}'
    ELSE CASE c.status {_STATUS_AS_REASON} ELSE {_paused("c", otherwise="c.status")} END END
FROM contacts_contact c
WHERE c.brand_id = %(brand)s AND c.address = ANY(ARRAY(SELECT address FROM asked))
"""


def _erased(c: str) -> str:
    # Their suppression holds a digest only, which SQL cannot compare; the contact carries a mark.
    return f"CASE WHEN {c}.erased_at IS NOT NULL THEN '{SkipReason.ERASED}' END"


def _suppressed(mail_class: MailClass, c: str) -> str:
    """The heaviest suppression: the least rank, as a number, read back as its reason."""
    order = list(SkipReason)
    reasons = [one for one in map(SkipReason, SuppressionReason.values) if mail_class in STOPS[one]]
    ranks = " ".join(
        f"WHEN '{one}' THEN {order.index(one)}" + _unless_allowed(one, mail_class, c)
        for one in reasons
    )
    names = ", ".join(f"'{one}'" for one in order)
    return f"""(
        SELECT (ARRAY[{names}])[1 + min(CASE p.reason {ranks} END)]
        FROM contacts_suppression p
        WHERE p.address = {c}.address AND p.lifted_at IS NULL
            AND (p.brand_id IS NULL OR p.brand_id = {c}.brand_id)
    )"""


def _unless_allowed(reason: SkipReason, mail_class: MailClass, c: str) -> str:
    """Null instead of a rank where the brand lets this class pass after all."""
    if (reason, mail_class) != BRAND_MAY_ALLOW:
        return ""
    return (
        " + CASE WHEN (SELECT b.transactional_after_complaint FROM brands_brand b"
        f" WHERE b.id = {c}.brand_id) THEN NULL ELSE 0 END"
    )


def _status(c: str) -> str:
    return f"CASE {c}.status {_STATUS_AS_REASON} END"


def _no_topic(c: str, topic_ids: Collection[int]) -> str:
    ids = ", ".join(str(int(one)) for one in sorted(topic_ids))
    return f"""CASE WHEN NOT EXISTS (
        SELECT FROM contacts_topicsubscription t
        WHERE t.topic_id IN ({ids}) AND t.contact_id = {c}.id AND t.state = '{TopicState.OPT_IN}'
    ) THEN '{SkipReason.NOT_OPTED_IN}' END"""
