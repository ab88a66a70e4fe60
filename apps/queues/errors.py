"""What can go wrong with work on its way, and what the caller does about it."""


class QueueError(Exception):
    """The root of this room's errors."""


class UnknownSubjectError(QueueError):
    """No room registered how to drive this kind of dead letter again. Register it at start-up."""


class DeadLetterClosedError(QueueError):
    """Somebody else re-drove or discarded the dead letter meanwhile. Nothing is left to do."""


class UnknownQueueError(QueueError):
    """No queue of this name is declared. The text lists those that are."""


class ExternalQueueError(QueueError):
    """Another system's queue did not answer as promised. The task is tried `attempts` times."""

    def __init__(self, text: str, *, attempts: int) -> None:
        super().__init__(text)
        self.attempts = attempts


class NotRedrivableError(QueueError):
    """The work must not, or cannot, be done again as it is; the message says what to do first."""


class NoteMissingError(QueueError):
    """A dead letter is discarded with a reason. Ask for one."""


class NoOpenLettersError(QueueError):
    """There is nothing of this kind to drive again."""
