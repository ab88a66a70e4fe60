"""Removing a person: what is known of them goes, that they must not come back stays.

The digest among the suppressions recognises the address without holding it, so that neither a
form nor an import brings the person back (see `digests`). What remains of the contact is a marked
row without address, names and traits, to which figures and consent records still belong; what
other rooms know of the person goes with it (see `traces`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
from django.db import connection, transaction

from apps.contacts import suppressing, traces
from apps.contacts.errors import ErasedContactError, UnknownContactError
from apps.contacts.models import Contact, SuppressionReason

if TYPE_CHECKING:
    from datetime import datetime

    from apps.contacts.models import SuppressionOrigin

log = structlog.get_logger(__name__)

# .invalid is nobody's by RFC 2606: nothing can ever be sent there.
PLACEHOLDER_DOMAIN = "erased.invalid"


def erase_person(*, contact_id: int, origin: SuppressionOrigin, now: datetime) -> int:
    """Erases all contacts of this person's address, whatever their brand; returns how many.

    Raises UnknownContactError, or ErasedContactError where it was done before.
    """
    contact = Contact.objects.filter(pk=contact_id).first()
    if contact is None:
        raise UnknownContactError("The contact does not exist any more.")
    if is_emptied(contact):
        raise ErasedContactError("The person has been erased already.")
    address = contact.address
    with transaction.atomic():
        suppressing.suppress(
            address=address, reason=SuppressionReason.ERASED, origin=origin, now=now
        )
        ids = list(Contact.objects.with_addresses([address]).values_list("pk", flat=True))
        traces.erase(ids, address)
        with connection.cursor() as cursor:
            cursor.execute(_EMPTY, {"address": address, "now": now})
            emptied = int(cursor.rowcount)
    log.info("person_erased", contact=contact_id, contacts=emptied, origin=origin)
    return emptied


def brand_ids_knowing(address: str) -> list[int]:
    """The brands that have a contact of this address: they all lose it by an erasure."""
    return list(Contact.objects.with_addresses([address]).values_list("brand_id", flat=True))


def is_emptied(contact: Contact) -> bool:
    return contact.address.endswith(f"@{PLACEHOLDER_DOMAIN}")


# The consent records stay as they are, for evidence is not edited: they go with the row.
_EMPTY = f"""
UPDATE contacts_contact SET
    email = 'erased-' || id || '@{PLACEHOLDER_DOMAIN}',
    address = 'erased-' || id || '@{PLACEHOLDER_DOMAIN}',
    first_name = '', last_name = '', locale = '', timezone = '', traits = '{{}}',
    updated_at = %(now)s
WHERE address = %(address)s
"""
