"""Which endpoint answers which method and path."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from apps.sandbox.resend import domains, emails
from apps.sandbox.resend.call import Call
from apps.sandbox.resend.errors import Answer, endpoint_not_found, method_not_allowed

if TYPE_CHECKING:
    from apps.sandbox.wire import Request

Endpoint = Callable[[Call], Answer]
PARAMETER = "{}"


@dataclass(frozen=True, slots=True)
class Route:
    endpoint: Endpoint
    sends: bool = False
    """Faults, idempotency keys and restricted API keys are for sends only."""


ROUTES: dict[tuple[str, ...], dict[str, Route]] = {
    ("emails",): {
        "POST": Route(emails.send_email, sends=True),
        "GET": Route(emails.list_emails),
    },
    ("emails", "batch"): {"POST": Route(emails.send_batch, sends=True)},
    ("emails", PARAMETER): {"GET": Route(emails.get_email)},
    ("domains",): {"GET": Route(domains.list_domains), "POST": Route(domains.create_domain)},
    ("domains", PARAMETER): {"GET": Route(domains.get_domain)},
    ("domains", PARAMETER, "verify"): {"POST": Route(domains.verify_domain)},
}


def find_route(request: Request) -> tuple[Route, str]:
    """The route of a request and the variable part of its path.

    Raises:
        ApiError: 404 for an unknown path, 405 for a known one with another method.
    """
    segments = request.segments
    methods, parameter = ROUTES.get(tuple(segments)), ""
    if methods is None and len(segments) > 1:
        parameter = segments[1]
        methods = ROUTES.get((segments[0], PARAMETER, *segments[2:]))
    if methods is None:
        raise endpoint_not_found()
    if request.method not in methods:
        raise method_not_allowed()
    return methods[request.method], parameter
