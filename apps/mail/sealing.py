"""Sealing: check everybody once more, render, and fix the exact bytes and their key.

It happens right after the claim and right before the call, so that somebody who left a minute
ago gets nothing. From here on the same bytes travel under the same key, whoever sends them.
"""

from __future__ import annotations

import hashlib
import uuid
from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson
import zstandard
from django.conf import settings
from django.db import connection

from apps.contacts.eligibility import MailClass, skip_reason_sql
from apps.mail import specimens
from apps.mail.contents import MailingContent, mailing_contents
from apps.mail.links import LinkTarget, preferences_url, unsubscribe_url
from apps.mail.models import Message
from apps.mail.people import NOBODY
from apps.mail.rendering import (
    EmailRequest,
    RecipientContext,
    RenderingError,
    build_email,
    encode_batch,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from apps.mail.claiming import ClaimedBatch
    from apps.mail.people import Person

# Level 1 takes 3 ms for a megabyte of mail and leaves a tenth of it.
ZSTD_LEVEL = 1


@dataclass(frozen=True)
class Recipient:
    """A message of the batch, with what its contact looks like now."""

    message_id: int
    mailing_id: int
    contact_id: int | None
    address: str
    variables: dict[str, Any] | None
    contact: dict[str, str]
    traits: dict[str, Any]
    skip_reason: str | None
    campaign_name: str = ""


@dataclass(frozen=True)
class Resolved:
    """A message that does not travel: skipped, or failed because its template does."""

    message_id: int
    state: Message.State
    reason: str
    detail: str = ""


@dataclass
class Sealed:
    """The bytes that travel under `key`, and whose they are, in the order of the body."""

    key: str
    body: bytes
    message_ids: list[int]
    addresses: list[str]
    resolved: list[Resolved] = field(default_factory=list)


def compose(batch: ClaimedBatch) -> Sealed:
    """Reads the batch's recipients, checks and renders each; writes nothing.

    Two queries, however many recipients: what their mailings have in common is kept between
    batches (see `contents`). Specimens take one more.
    """
    recipients = shown_as_others(list(_recipients(batch)))
    contents = mailing_contents({one.mailing_id for one in recipients})
    sealed = Sealed(key=uuid.uuid4().hex, body=b"", message_ids=[], addresses=[])
    emails = []
    now = datetime.now(tz=UTC)
    for recipient in recipients:
        if recipient.skip_reason:
            sealed.resolved.append(
                Resolved(recipient.message_id, Message.State.SKIPPED, recipient.skip_reason)
            )
            continue
        try:
            emails.append(_email(recipient, contents[recipient.mailing_id], now))
        except RenderingError as problem:
            sealed.resolved.append(
                Resolved(recipient.message_id, Message.State.FAILED, "template", str(problem)[:300])
            )
            continue
        sealed.message_ids.append(recipient.message_id)
        sealed.addresses.append(recipient.address)
    sealed.body = encode_batch(emails) if emails else b""
    return sealed


_SEAL = """
WITH sealed AS (
    UPDATE mail_batch batch
       SET state = CASE WHEN %(travelling)s > 0 THEN 'calling' ELSE 'settled' END,
           settled_at = CASE WHEN %(travelling)s > 0 THEN NULL ELSE statement_timestamp() END,
           key = %(key)s, digest = %(digest)s, key_made_at = statement_timestamp(),
           attempts = attempts + 1, falls = 0,
           skipped = skipped + %(skipped)s, failed = failed + %(failed)s,
           due_at = statement_timestamp() + make_interval(secs => %(lease)s)
     WHERE id = %(batch)s AND fence = %(fence)s AND state = 'planned'
       AND (mailing_id IS NULL OR EXISTS (
            SELECT 1 FROM mail_mailing WHERE id = batch.mailing_id AND state = 'running'))
    RETURNING id
), body AS (
    INSERT INTO mail_batchbody (batch_id, body)
    SELECT id, %(body)s FROM sealed WHERE %(travelling)s > 0
), resolved AS (
    UPDATE mail_message message
       SET state = given.state, reason = given.reason, detail = given.detail,
           settled_at = statement_timestamp()
      FROM sealed, unnest(%(ids)s::bigint[], %(states)s::text[], %(reasons)s::text[],
                          %(details)s::text[]) AS given (id, state, reason, detail)
     WHERE message.month = %(month)s AND message.id = given.id
)
SELECT count(*) FROM sealed
"""


def seal(batch: ClaimedBatch, sealed: Sealed) -> bool:
    """Fixes bytes and key, and settles who does not travel; one statement.

    False, with nothing changed, where the fence has moved on or the mailing no longer runs. A
    batch that nobody travels in is settled here.
    """
    compressed = zstandard.ZstdCompressor(level=ZSTD_LEVEL).compress(sealed.body)
    failed = sum(one.state is Message.State.FAILED for one in sealed.resolved)
    with connection.cursor() as cursor:
        cursor.execute(
            _SEAL,
            {
                "batch": batch.id,
                "fence": batch.fence,
                "month": batch.month,
                "key": sealed.key,
                "digest": hashlib.sha256(sealed.body).digest(),
                "body": compressed,
                "lease": settings.BATCH_LEASE_SECONDS,
                "travelling": len(sealed.message_ids),
                "failed": failed,
                "skipped": len(sealed.resolved) - failed,
                "ids": [one.message_id for one in sealed.resolved],
                "states": [str(one.state) for one in sealed.resolved],
                "reasons": [one.reason for one in sealed.resolved],
                "details": [one.detail for one in sealed.resolved],
            },
        )
        return bool(cursor.fetchone()[0])


class BodyMissingError(Exception):
    """A sealed batch has lost its bytes. It can never be called again: settle it as unknown."""


def reopen(batch: ClaimedBatch) -> Sealed:
    """The bytes of a batch that was sealed before, whoever sealed it, checked by their digest."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT body.body, batch.digest,"
            "       ARRAY(SELECT id FROM mail_message WHERE month = batch.month"
            "             AND batch_id = batch.id AND state = 'pending' ORDER BY id)"
            "  FROM mail_batch batch JOIN mail_batchbody body ON body.batch_id = batch.id"
            " WHERE batch.id = %s",
            [batch.id],
        )
        row = cursor.fetchone()
    if row is None:
        raise BodyMissingError(f"Batch {batch.id} has no body.")
    body = _intact(bytes(row[0]), digest=bytes(row[1]))
    addresses = [email["to"][0] for email in orjson.loads(body)] if body else []
    message_ids = list(row[2])
    if body is None or len(addresses) != len(message_ids):
        raise BodyMissingError(f"The body of batch {batch.id} does not fit its messages.")
    return Sealed(batch.key, body, message_ids, addresses)


def _intact(compressed: bytes, *, digest: bytes) -> bytes | None:
    try:
        body = zstandard.ZstdDecompressor().decompress(compressed)
    except zstandard.ZstdError:
        return None
    return body if hashlib.sha256(body).digest() == digest else None


_RECIPIENTS = """
SELECT m.id, m.mailing_id, m.contact_id, m.address, m.variables,
       c.id IS NOT NULL, c.email, c.address, c.first_name, c.last_name, c.locale, c.timezone,
       c.traits, {reason}
  FROM mail_message m
  LEFT JOIN contacts_contact c ON c.id = m.contact_id
 WHERE m.month = %(month)s AND m.batch_id = %(batch)s AND m.state = 'pending'
   {of_mailings}
 ORDER BY m.id
"""


def _recipients(batch: ClaimedBatch) -> Iterable[Recipient]:
    """In the order of their ids. A batch of singles may mix mail classes: one query for each."""
    found: list[Recipient] = []
    for rules, mailing_ids in _mailings_by_rules(batch).items():
        reason_sql, params = rules.skip_reason()
        query = _RECIPIENTS.format(
            reason=reason_sql,
            of_mailings="" if batch.mailing_id else "AND m.mailing_id = ANY(%(mailings)s)",
        )
        with connection.cursor() as cursor:
            cursor.execute(
                query,
                {
                    **params,
                    "month": batch.month,
                    "batch": batch.id,
                    "mailings": list(mailing_ids),
                },
            )
            found += [_recipient(row) for row in cursor.fetchall()]
    return sorted(found, key=lambda one: one.message_id)


@dataclass(frozen=True)
class _Rules:
    """What decides who of a mailing is skipped: those that share it are asked in one query."""

    mail_class: MailClass
    topic_groups: tuple[tuple[int, ...], ...]

    def skip_reason(self) -> tuple[str, dict[str, Any]]:
        """As `skip_reason_sql`, with an opt-in to one topic of each group."""
        groups = self.topic_groups or ((),)
        asked = [skip_reason_sql(self.mail_class, topic_ids=group) for group in groups]
        params = {name: value for _, given in asked for name, value in given.items()}
        return f"coalesce({', '.join(sql for sql, _ in asked)})", params


def _mailings_by_rules(batch: ClaimedBatch) -> dict[_Rules, set[int]]:
    if batch.mailing_id is not None:
        ids = {batch.mailing_id}
    else:
        ids = set(
            Message.objects.filter(month=batch.month, batch_id=batch.id).values_list(
                "mailing_id", flat=True
            )
        )
    by_rules: dict[_Rules, set[int]] = defaultdict(set)
    for mailing_id, content in mailing_contents(ids).items():
        by_rules[_Rules(content.mail_class, content.topic_groups)].add(mailing_id)
    return by_rules


def _recipient(row: tuple[Any, ...]) -> Recipient:
    (message_id, mailing_id, contact_id, planned_address, variables, exists, email, address,
     first_name, last_name, locale, timezone, traits, reason) = row  # fmt: skip
    if contact_id is not None and not exists:
        reason = "erased"
    return Recipient(
        message_id=message_id,
        mailing_id=mailing_id,
        contact_id=contact_id,
        address=address or planned_address,
        variables=_json(variables),
        contact={
            "email": email or planned_address,
            "first_name": first_name or "",
            "last_name": last_name or "",
            "locale": locale or "",
            "timezone": timezone or "",
        },
        traits=_json(traits) or {},
        skip_reason=reason,
    )


def shown_as_others(recipients: list[Recipient]) -> list[Recipient]:
    """Specimens see what the contact they are made for would see; see `specimens`."""
    asked = {
        one.message_id: specimens.read(one.variables)
        for one in recipients
        if one.contact_id is None and one.variables
    }
    if not asked:
        return recipients
    people = specimens.people(specimen.contact_id for specimen in asked.values())
    return [
        _shown_as(one, asked[one.message_id], people) if one.message_id in asked else one
        for one in recipients
    ]


def _shown_as(
    recipient: Recipient, specimen: specimens.Specimen, people: dict[int, Person]
) -> Recipient:
    person = people.get(specimen.contact_id or 0, NOBODY)
    return replace(
        recipient,
        variables={},
        contact=person.contact,
        traits=person.traits,
        campaign_name=specimen.campaign_name,
    )


def _json(value: Any) -> Any:
    """Django has psycopg hand jsonb over as text."""
    return orjson.loads(value) if isinstance(value, str | bytes) else value


def _email(recipient: Recipient, content: MailingContent, now: datetime) -> EmailRequest:
    commercial = content.mail_class is MailClass.COMMERCIAL
    target = LinkTarget(recipient.contact_id or 0, recipient.mailing_id, recipient.message_id)
    link = unsubscribe_url(target)
    rendered = content.template.render(
        RecipientContext(
            contact=recipient.contact,
            traits=recipient.traits,
            brand=content.brand,
            campaign={"name": recipient.campaign_name or content.name},
            unsubscribe_url=link,
            preferences_url=preferences_url(target),
            variables={**content.variables, **(recipient.variables or {})},
            now=now,
            timezone=recipient.contact["timezone"] or content.timezone,
        )
    )
    return build_email(
        sender=content.sender,
        to=recipient.address,
        reply_to=content.reply_to,
        rendered=rendered,
        unsubscribe_url=link if commercial else "",
        tags={"mailing": str(recipient.mailing_id), "message": str(recipient.message_id)},
    )
