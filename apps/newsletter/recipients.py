"""Whom a single mail goes to: a contact of the brand, known before or not.

Somebody who is only sent receipts never agreed to newsletters. A new contact made here is
therefore **unsubscribed**, without a consent record: they get transactional mail (and
confirmations), and no commercial mail can reach them before they join by themselves. `pending`
would not say that: a pending contact waits for a click that nobody asked them for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import transaction

from apps.contacts import digests
from apps.contacts.addresses import normalise
from apps.contacts.errors import ErasedAddressError
from apps.contacts.models import Contact, ContactStatus
from apps.newsletter.problems import UnknownRecipientError

if TYPE_CHECKING:
    from apps.brands.models import Brand


def find_or_add(*, brand: Brand, email: str) -> Contact:
    """Raises InvalidAddressError, ErasedAddressError."""
    found = normalise(email)
    known = Contact.objects.filter(brand=brand, address=found.address, erased_at=None).first()
    if known is not None:
        return known
    with transaction.atomic():
        digests.lock_addresses([found.address])
        if digests.find_erased([found.address]):
            raise ErasedAddressError("The person had all traces removed; no mail can go there.")
        contact, _ = Contact.objects.get_or_create(
            brand=brand,
            address=found.address,
            defaults={"email": found.email, "status": ContactStatus.UNSUBSCRIBED},
        )
    return contact


def find(*, brand: Brand, email: str) -> Contact:
    """Raises InvalidAddressError, UnknownRecipientError."""
    address = normalise(email).address
    known = Contact.objects.filter(brand=brand, address=address, erased_at=None).first()
    if known is None:
        raise UnknownRecipientError("The brand has no contact of this address; have them join.")
    return known
