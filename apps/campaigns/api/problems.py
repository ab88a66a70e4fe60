"""What a caller is told of this room's errors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rest_framework.exceptions import ValidationError

from apps.brands.api.errors import ConflictError, RefusedError
from apps.campaigns.errors import (
    AlreadyLaunched,
    ApprovalError,
    ChangedMeanwhileError,
    CountChangedError,
    DryRunError,
    InvalidAudienceError,
    InvalidCampaignError,
    InvalidScheduleError,
    InvalidTestError,
    LaunchRefused,
    LocalTimeError,
    NotLaunchedError,
    NotScheduledError,
    ScheduledError,
    UnknownReferenceError,
)
from apps.mail.errors import StateError
from apps.mail.reports.recipients import InvalidCursorError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from rest_framework.exceptions import APIException


def by_field(error: Exception) -> ValidationError:
    """For errors whose message begins with the field: `latest_start: is over; …`."""
    field, colon, message = str(error).partition(": ")
    if colon and field.isidentifier():
        return ValidationError({field: [message]})
    return ValidationError({"body": [str(error)]})


def audience_faults(error: InvalidAudienceError) -> ValidationError:
    faults: dict[str, list[str]] = {}
    for fault in error.faults:
        path = fault.path if fault.path.startswith("audience") else f"audience.{fault.path}"
        faults.setdefault(path, []).append(f"Found {fault.found}; {fault.fix}.")
    return ValidationError(faults)


def launch_refused(refusal: LaunchRefused) -> RefusedError:
    problems: dict[str, list[str]] = {}
    for problem in refusal.problems:
        if problem.blocking:
            problems.setdefault(str(problem.code), []).append(problem.message)
    return RefusedError("Something stands against it; see errors.", problems)


PROBLEMS: Mapping[type[Exception], Callable[[Any], APIException]] = {
    LaunchRefused: launch_refused,
    InvalidAudienceError: audience_faults,
    UnknownReferenceError: lambda error: ValidationError({"audience": [str(error)]}),
    InvalidCursorError: lambda error: ValidationError({"after": [str(error)]}),
    InvalidCampaignError: by_field,
    InvalidScheduleError: by_field,
    InvalidTestError: by_field,
    LocalTimeError: lambda error: ValidationError({"at": [str(error)]}),
    AlreadyLaunched: ConflictError,
    ApprovalError: ConflictError,
    ChangedMeanwhileError: ConflictError,
    CountChangedError: ConflictError,
    DryRunError: ConflictError,
    NotLaunchedError: ConflictError,
    NotScheduledError: ConflictError,
    ScheduledError: ConflictError,
    StateError: ConflictError,
}
