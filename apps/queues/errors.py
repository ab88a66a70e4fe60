"""What can go wrong with work on its way, and what the caller does about it."""


class QueueError(Exception):
    """The root of this room's errors."""


class UnknownSubjectError(QueueError):
    """No room registered how to drive this kind of dead letter again. Register it at start-up."""


class DeadLetterClosedError(QueueError):
    """Somebody else re-drove or discarded the dead letter meanwhile. Nothing is left to do."""
