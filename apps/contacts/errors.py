"""What can go wrong in this room, and what the caller does about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from apps.contacts.addresses import AddressFault


class ContactsError(Exception):
    """The root of this room's errors."""


class InvalidAddressError(ContactsError, ValueError):
    """The text is no address that mail can be sent to. Show the message; it holds no address.

    `fault` says which rule was broken, for counting.
    """

    def __init__(self, fault: AddressFault, message: str) -> None:
        super().__init__(message)
        self.fault = fault


class ErasedAddressError(ContactsError):
    """The person had all traces removed and must not come back. Do not store the address."""


class UnknownContactError(ContactsError):
    """There is no such contact (any more). Nothing can be changed."""


class UnknownTopicError(ContactsError):
    """The brand has no topic of this slug. Create it first, or correct the slug."""


class FileRefusedError(ContactsError):
    """The file cannot be imported as it is; the message says why and what to do instead."""


class ImportBusyError(ContactsError):
    """Another process is working on this very import. Wait for it, or stop it."""


class ImportChangedError(ContactsError):
    """Another process moved this import on meanwhile. Start the command again."""


class ContactExistsError(ContactsError):
    """The brand has a contact of this address already; `contact_id` is theirs. Edit that one."""

    def __init__(self, contact_id: int) -> None:
        super().__init__("The brand has a contact of this address already.")
        self.contact_id = contact_id


class InvalidFieldError(ContactsError, ValueError):
    """A field of a contact holds what it cannot hold. Show the message beside `field`."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class ErasedContactError(ContactsError):
    """The person had all traces removed: what is left of the contact is not edited any more."""


class NotLiftableError(ContactsError):
    """A suppression of this kind is not lifted by an operator. The message says why."""


class UploadStateError(ContactsError):
    """The uploaded file is not at this step (any more). Look at its page again."""
