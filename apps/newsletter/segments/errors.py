"""What commands and pages about segments are refused with."""


class SegmentsError(Exception):
    """The root; the text says what to do."""


class NoAccountError(SegmentsError):
    """The brand has no account at a provider that keeps segments."""


class ImportFailedError(SegmentsError):
    """The provider could not import a file: look at the account there, and start again."""
