"""What sequences refuse."""


class SequenceError(Exception):
    """The root; the message is for the operator."""


class NotReadyError(SequenceError):
    """The version or sequence lacks something; the message lists what to mend."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__(" ".join(problems))
        self.problems = problems


class SequenceStateError(SequenceError):
    """The sequence, version or person is not in a state that allows this."""
