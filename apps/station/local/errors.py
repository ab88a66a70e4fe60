"""What can go wrong while a station is set up on one machine."""

from __future__ import annotations


class StationError(Exception):
    """The station cannot be started or reached; the text says what was found and what to do.

    The command line prints the text and exits with 1: there is nothing to retry.
    """


class NotReadyError(StationError):
    """A server did not answer in time, or ended at once; the text has the end of its log."""


class ForeignFolderError(StationError):
    """A folder of an earlier run belongs to another system user and cannot be used or removed."""


class AlreadyRunningError(StationError):
    """The instance is in use by another process of this machine; leave it alone."""
