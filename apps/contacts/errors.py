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
