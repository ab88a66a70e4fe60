"""What digests refuse, and why a source could not be read."""


class DigestError(Exception):
    """The root; the message is for the operator."""


class DigestNotReadyError(DigestError):
    """The digest cannot go out as it is; the message lists what to mend."""


class SourceError(DigestError):
    """A source gave nothing usable. The message is short and names no address of a person."""
