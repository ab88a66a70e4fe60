"""What the person on call is told about digests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from apps.queues.alerts import clear_alert, raise_alert

if TYPE_CHECKING:
    from apps.newsletter.models import DigestIssue, DigestSource

EMPTY, MISSED, REFUSED, SOURCE = (
    "digest_empty",
    "digest_missed",
    "digest_refused",
    "digest_source",
)


def empty(issue: DigestIssue, *, found: int, done: str) -> None:
    """Always, whatever the brand's rule for empty weeks made of it."""
    digest = issue.digest
    raise_alert(
        kind=EMPTY,
        subject=_of_digest(issue),
        message=f"{digest.name}, {issue.label}: {found} articles were found. {done}",
        value=found,
        limit=digest.least_items,
    )


def missed(issue: DigestIssue, reason: str) -> None:
    raise_alert(
        kind=MISSED,
        subject=_of_digest(issue),
        message=f"{issue.digest.name}, {issue.label}: {reason}",
    )


def refused(issue: DigestIssue, reason: str) -> None:
    """It cannot go out as its template or sender is now; tried again until it is too late."""
    raise_alert(
        kind=REFUSED,
        subject=_of_digest(issue),
        message=f"{issue.digest.name}, {issue.label} waits: {reason}",
    )


def went_out(issue: DigestIssue) -> None:
    """An issue with articles of its week: what was told of earlier ones is over."""
    for kind in (EMPTY, MISSED, REFUSED):
        clear_alert(kind=kind, subject=_of_digest(issue))


def source_failed(source: DigestSource, error: str, *, tries: int) -> None:
    raise_alert(
        kind=SOURCE,
        subject=_of_source(source),
        message=f"{source.name} of {source.digest.name} could not be read {tries} times: {error}",
        value=tries,
    )


def source_works(source: DigestSource) -> None:
    clear_alert(kind=SOURCE, subject=_of_source(source))


def _of_digest(issue: DigestIssue) -> str:
    return f"digest {issue.digest_id}"


def _of_source(source: DigestSource) -> str:
    return f"digest source {source.pk}"
