"""Joining and leaving, each with its consent record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db import connection, transaction

from apps.contacts import digests
from apps.contacts.addresses import normalise
from apps.contacts.errors import ErasedAddressError, UnknownContactError
from apps.contacts.models import (
    ConsentKind,
    ConsentRecord,
    Contact,
    ContactStatus,
    TopicState,
)

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from apps.contacts.models import ConsentSource


@dataclass(frozen=True, slots=True)
class Evidence:
    """How and when somebody joined or left; `detail` names a mailing or page."""

    source: ConsentSource
    occurred_at: datetime
    detail: str = ""
    text_shown: str = ""
    ip: str | None = None
    correlation_id: str = ""


@dataclass(frozen=True, slots=True)
class Subscribed:
    contact_id: int
    created: bool
    status: ContactStatus


def unsubscribe(*, contact_id: int, evidence: Evidence) -> bool:
    """No commercial mail any more; topics stay as they are. Whether that changed anything.

    Raises UnknownContactError.
    """
    return _run(_UNSUBSCRIBE, contact_id, evidence, kind=ConsentKind.UNSUBSCRIBED)


def unsubscribe_from_topic(*, contact_id: int, topic_id: int, evidence: Evidence) -> bool:
    """No mail about this topic any more. Whether that changed anything.

    Raises UnknownContactError.
    """
    return _run(
        _OPT_OUT,
        contact_id,
        evidence,
        kind=ConsentKind.TOPIC_OPT_OUT,
        topic=topic_id,
    )


def opt_in_to_topic(*, contact_id: int, topic_id: int, evidence: Evidence) -> bool:
    """Wants mail about this topic, also where they had left it. Whether that changed anything.

    The status stays as it is. Raises UnknownContactError.
    """
    return _run(_OPT_IN, contact_id, evidence, kind=ConsentKind.TOPIC_OPT_IN, topic=topic_id)


def pause(*, contact_id: int, until: datetime, evidence: Evidence) -> bool:
    """No commercial mail until then; status and topics stay as they are. Whether it changed that.

    Raises UnknownContactError.
    """
    return _run(_PAUSE, contact_id, evidence, kind=ConsentKind.PAUSED, until=until)


def end_pause(*, contact_id: int, evidence: Evidence) -> bool:
    """Mail again from now on; whether there was a pause. Raises UnknownContactError."""
    return _run(_END_PAUSE, contact_id, evidence, kind=ConsentKind.RESUMED)


def confirm(*, contact_id: int, evidence: Evidence) -> bool:
    """The person followed the link of a double opt-in: subscribed, whatever they were before.

    Whether that changed anything. Raises UnknownContactError.
    """
    return _run(_CONFIRM, contact_id, evidence, kind=ConsentKind.CONFIRMED)


def note_wish(*, contact_id: int, evidence: Evidence) -> None:
    """Keeps that somebody asked to be subscribed; whether they are is told by what follows."""
    _record(contact_id, ConsentKind.SUBSCRIBED, evidence)


def subscribe(
    *,
    brand_id: int,
    email: str,
    evidence: Evidence,
    topic_ids: Collection[int] = (),
    pending: bool = False,
) -> Subscribed:
    """The person's own wish: makes the contact, or brings back one who had left.

    With `pending` it waits for confirmation, unless the person is subscribed already. Topics are
    opted in to, also those left before. Raises InvalidAddressError or ErasedAddressError.
    """
    found = normalise(email)
    wanted = ContactStatus.PENDING if pending else ContactStatus.SUBSCRIBED
    with transaction.atomic():
        digests.lock_addresses([found.address])
        if digests.find_erased([found.address]):
            raise ErasedAddressError("The person had all traces removed.")
        contact, created = Contact.objects.select_for_update().get_or_create(
            brand_id=brand_id,
            address=found.address,
            defaults={
                "email": found.email,
                "status": wanted,
                "status_changed_at": evidence.occurred_at,
                "updated_at": evidence.occurred_at,
            },
        )
        if created:
            _record(contact.pk, ConsentKind.SUBSCRIBED, evidence)
        elif contact.status not in {ContactStatus.SUBSCRIBED, wanted}:
            contact.status = wanted
            contact.paused_until = None
            contact.status_changed_at = contact.updated_at = evidence.occurred_at
            contact.save(
                update_fields=["status", "paused_until", "status_changed_at", "updated_at"]
            )
            _record(contact.pk, ConsentKind.SUBSCRIBED, evidence)
        for topic_id in sorted(topic_ids):
            opt_in_to_topic(contact_id=contact.pk, topic_id=topic_id, evidence=evidence)
    return Subscribed(contact.pk, created, ContactStatus(contact.status))


def _record(contact_id: int, kind: ConsentKind, evidence: Evidence) -> None:
    ConsentRecord.objects.create(
        contact_id=contact_id,
        kind=kind,
        source=evidence.source,
        detail=evidence.detail,
        text_shown=evidence.text_shown,
        ip=evidence.ip,
        correlation_id=evidence.correlation_id,
        occurred_at=evidence.occurred_at,
    )


def _run(  # noqa: PLR0913 - the optional ones belong to single statements
    statement: str,
    contact_id: int,
    evidence: Evidence,
    *,
    kind: ConsentKind,
    topic: int | None = None,
    until: datetime | None = None,
) -> bool:
    """Runs one change that records itself; whether it changed anything."""
    with connection.cursor() as cursor:
        cursor.execute(
            statement + _RECORDED,
            {
                "contact": contact_id,
                "topic": topic,
                "until": until,
                "kind": kind,
                "source": evidence.source,
                "detail": evidence.detail,
                "text_shown": evidence.text_shown,
                "ip": evidence.ip,
                "correlation": evidence.correlation_id,
                "now": evidence.occurred_at,
            },
        )
        changed, exists = cursor.fetchone()
    if not exists:
        raise UnknownContactError("The contact does not exist any more.")
    return bool(changed)


_UNSUBSCRIBE = f"""
WITH changed AS (
    UPDATE contacts_contact
    SET status = '{ContactStatus.UNSUBSCRIBED}', status_changed_at = %(now)s, updated_at = %(now)s
    WHERE id = %(contact)s AND status <> '{ContactStatus.UNSUBSCRIBED}'
    RETURNING id
)"""

_PAUSE = """
WITH changed AS (
    UPDATE contacts_contact SET paused_until = %(until)s, updated_at = %(now)s
    WHERE id = %(contact)s AND paused_until IS DISTINCT FROM %(until)s
    RETURNING id
)"""
_END_PAUSE = """
WITH changed AS (
    UPDATE contacts_contact SET paused_until = NULL, updated_at = %(now)s
    WHERE id = %(contact)s AND paused_until IS NOT NULL
    RETURNING id
)"""
_CONFIRM = f"""
WITH changed AS (
    UPDATE contacts_contact
    SET status = '{ContactStatus.SUBSCRIBED}', status_changed_at = %(now)s, updated_at = %(now)s,
        paused_until = NULL
    WHERE id = %(contact)s AND status <> '{ContactStatus.SUBSCRIBED}' AND erased_at IS NULL
    RETURNING id
)"""

_TOPIC_CHANGE = """
WITH changed AS (
    INSERT INTO contacts_topicsubscription AS known (contact_id, topic_id, state, changed_at)
    SELECT id, %(topic)s, '{state}', %(now)s FROM contacts_contact WHERE id = %(contact)s
    ON CONFLICT (topic_id, contact_id) DO UPDATE
    SET state = excluded.state, changed_at = excluded.changed_at
    WHERE known.state <> excluded.state
    RETURNING contact_id AS id
)"""
_OPT_OUT = _TOPIC_CHANGE.format(state=TopicState.OPT_OUT)
_OPT_IN = _TOPIC_CHANGE.format(state=TopicState.OPT_IN)

_RECORDED = """, recorded AS (
    INSERT INTO contacts_consentrecord
        (contact_id, topic_id, kind, source, detail, text_shown, ip, correlation_id, occurred_at)
    SELECT id, %(topic)s, %(kind)s, %(source)s, %(detail)s, %(text_shown)s, %(ip)s,
        %(correlation)s, %(now)s
    FROM changed
)
SELECT (SELECT count(*) FROM changed),
    EXISTS (SELECT FROM contacts_contact WHERE id = %(contact)s)
"""
