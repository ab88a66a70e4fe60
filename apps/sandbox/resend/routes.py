"""Which endpoint answers which method and path."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from apps.sandbox.resend import contacts, domains, emails, imports, segments, topics
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
    """Idempotency keys and restricted API keys are for sends only; so are their faults."""
    operation: str = ""
    """Set for calls about contacts, which have faults and a log of their own: its word there."""


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
    ("contacts",): {
        "POST": Route(contacts.create_contact, operation="create"),
        "GET": Route(contacts.list_contacts),
    },
    ("contacts", PARAMETER): {
        "GET": Route(contacts.get_contact, operation="get"),
        "PATCH": Route(contacts.update_contact, operation="update"),
        "DELETE": Route(contacts.delete_contact, operation="delete"),
    },
    ("contacts", PARAMETER, "segments"): {
        "GET": Route(segments.list_of_contact, operation="list"),
        "PUT": Route(segments.set_segments, operation="set"),
        "POST": Route(segments.set_segments, operation="set"),
    },
    ("contacts", PARAMETER, "segments", PARAMETER): {
        "POST": Route(segments.add_to_segment, operation="add"),
        "DELETE": Route(segments.remove_from_segment, operation="remove"),
    },
    ("contacts", PARAMETER, "topics"): {
        "GET": Route(topics.list_of_contact, operation="list_topics"),
        "PATCH": Route(topics.update_of_contact, operation="topics"),
    },
    ("contacts", "imports"): {
        "POST": Route(imports.create_import, operation="import"),
        "GET": Route(imports.list_imports),
    },
    ("contacts", "imports", PARAMETER): {"GET": Route(imports.get_import)},
    ("segments",): {"POST": Route(segments.create_segment), "GET": Route(segments.list_segments)},
    ("segments", PARAMETER): {
        "GET": Route(segments.get_segment),
        "DELETE": Route(segments.delete_segment),
    },
    ("segments", PARAMETER, "contacts"): {"GET": Route(segments.list_members)},
    ("topics",): {"POST": Route(topics.create_topic), "GET": Route(topics.list_topics)},
}


def find_route(request: Request) -> tuple[Route, tuple[str, ...]]:
    """The route of a request and the variable parts of its path.

    Raises:
        ApiError: 404 for an unknown path, 405 for a known one with another method.
    """
    segments = request.segments
    for path, methods in _BY_LENGTH.get(len(segments), ()):
        parameters = _parameters(path, segments)
        if parameters is None:
            continue
        if request.method not in methods:
            raise method_not_allowed()
        return methods[request.method], parameters
    raise endpoint_not_found()


def _parameters(path: tuple[str, ...], segments: list[str]) -> tuple[str, ...] | None:
    """What stands in the places of the parameters; None where the path is another one."""
    pairs = list(zip(path, segments, strict=True))
    if any(part not in (PARAMETER, given) for part, given in pairs):
        return None
    return tuple(given for part, given in pairs if part == PARAMETER)


_Paths = list[tuple[tuple[str, ...], dict[str, Route]]]


def _by_length() -> dict[int, _Paths]:
    """The routes by how many parts they have; those that say more of them in words come first."""
    found: dict[int, _Paths] = {}
    for path in sorted(ROUTES, key=lambda path: path.count(PARAMETER)):
        found.setdefault(len(path), []).append((path, ROUTES[path]))
    return found


_BY_LENGTH = _by_length()
