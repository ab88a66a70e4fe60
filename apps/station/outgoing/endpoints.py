"""What operators do with endpoints: add, change, rotate the secret, disable, enable, remove."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import structlog
from django.db import transaction
from django.db.models.functions import Now

from apps.station.outgoing.collecting import ensure_cursors
from apps.station.outgoing.destinations import read_url
from apps.station.outgoing.errors import EndpointStateError, InvalidEndpointError
from apps.station.outgoing.event_types import EventType
from apps.station.outgoing.models import REASON_LIMIT, WebhookEndpoint
from apps.station.outgoing.recording import wake
from apps.station.outgoing.signing import make_secret

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

log = structlog.get_logger(__name__)

# A brand with more has a mistake in a loop somewhere; each event is written once per endpoint.
MOST_ENDPOINTS = 20
_UNTRIED: Mapping[str, Any] = MappingProxyType(
    {"failures": 0, "failing_since": None, "held_until": None}
)


def add(
    *, brand_id: int, url: str, event_types: Sequence[str], actor: str, description: str = ""
) -> WebhookEndpoint:
    """A new endpoint, enabled, with a secret of its own; it is told what happens from now on.

    Raises `InvalidEndpointError` with every field that is wrong.
    """
    fields = checked_fields(url=url, event_types=event_types, description=description)
    with transaction.atomic():
        if WebhookEndpoint.objects.kept().filter(brand_id=brand_id).count() >= MOST_ENDPOINTS:
            raise InvalidEndpointError(
                {"brand": f"has {MOST_ENDPOINTS} endpoints already; remove one first."}
            )
        ensure_cursors()
        endpoint = WebhookEndpoint.objects.create(
            brand_id=brand_id, secret=make_secret(), created_by=actor[:150], **fields
        )
    log.info("webhook_endpoint_added", endpoint=endpoint.pk, by=actor)
    return WebhookEndpoint.objects.get(pk=endpoint.pk)


def change(
    *,
    endpoint_id: int,
    actor: str,
    url: str | None = None,
    event_types: Sequence[str] | None = None,
    description: str | None = None,
) -> WebhookEndpoint:
    """Changes what is given. What waits is sent to the new address, which has not failed yet.

    Raises `InvalidEndpointError`, or `EndpointStateError` for a removed one.
    """
    given = {"url": url, "event_types": event_types, "description": description}
    fields = checked_fields(**{name: value for name, value in given.items() if value is not None})
    with transaction.atomic():
        present = _locked(endpoint_id)
        if fields.get("url", present.url) != present.url:
            fields |= _UNTRIED
        if fields:
            WebhookEndpoint.objects.filter(pk=endpoint_id).update(**fields)
    log.info("webhook_endpoint_changed", endpoint=endpoint_id, fields=sorted(fields), by=actor)
    return WebhookEndpoint.objects.get(pk=endpoint_id)


def rotate_secret(*, endpoint_id: int, actor: str) -> str:
    """Makes a new secret and returns it; the present one stays valid until it is forgotten.

    From now on every webhook carries a signature of each. Raises `EndpointStateError` while two
    are valid already: forgetting the older one by accident would lock its receiver out.
    """
    secret = make_secret()
    with transaction.atomic():
        endpoint = _locked(endpoint_id)
        if endpoint.previous_secret:
            raise EndpointStateError(
                "Two secrets are valid already. Forget the previous one, then rotate."
            )
        WebhookEndpoint.objects.filter(pk=endpoint_id).update(
            secret=secret, previous_secret=endpoint.secret, secret_changed_at=Now()
        )
    log.info("webhook_secret_rotated", endpoint=endpoint_id, by=actor)
    return secret


def forget_previous_secret(*, endpoint_id: int, actor: str) -> None:
    """Once the receiver verifies with the new one. Raises `EndpointStateError` if there is none."""
    with transaction.atomic():
        if not _locked(endpoint_id).previous_secret:
            raise EndpointStateError("Only one secret is valid; there is none to forget.")
        WebhookEndpoint.objects.filter(pk=endpoint_id).update(previous_secret="")
    log.info("webhook_secret_forgotten", endpoint=endpoint_id, by=actor)


def disable(*, endpoint_id: int, actor: str, reason: str = "") -> None:
    """Nothing new is recorded for it, and what waits goes on waiting.

    Raises `EndpointStateError` where it is disabled already.
    """
    said = f"{actor}: {reason}" if reason else f"by {actor}"
    with transaction.atomic():
        if _locked(endpoint_id).disabled_at is not None:
            raise EndpointStateError("The endpoint is disabled already.")
        WebhookEndpoint.objects.filter(pk=endpoint_id).update(
            disabled_at=Now(), disabled_reason=said[:REASON_LIMIT]
        )
    log.info("webhook_endpoint_disabled", endpoint=endpoint_id, by=actor)


def enable(*, endpoint_id: int, actor: str) -> None:
    """Sends what waits, and forgets the failures. Raises `EndpointStateError` if it is enabled."""
    with transaction.atomic():
        if _locked(endpoint_id).disabled_at is None:
            raise EndpointStateError("The endpoint is enabled already.")
        WebhookEndpoint.objects.filter(pk=endpoint_id).update(
            disabled_at=None, disabled_reason="", **_UNTRIED
        )
        wake([endpoint_id])
    log.info("webhook_endpoint_enabled", endpoint=endpoint_id, by=actor)


def remove(*, endpoint_id: int, actor: str) -> None:
    """Never sent to again, and its secrets are gone; the log of its deliveries stays a while.

    Raises `EndpointStateError` where it was removed before.
    """
    with transaction.atomic():
        endpoint = _locked(endpoint_id)
        WebhookEndpoint.objects.filter(pk=endpoint_id).update(
            removed_at=Now(),
            disabled_at=endpoint.disabled_at or Now(),
            disabled_reason=f"removed by {actor}"[:REASON_LIMIT],
            secret="",
            previous_secret="",
        )
    log.info("webhook_endpoint_removed", endpoint=endpoint_id, by=actor)


def _locked(endpoint_id: int) -> WebhookEndpoint:
    endpoint = WebhookEndpoint.objects.select_for_update(no_key=True).get(pk=endpoint_id)
    if endpoint.removed_at is not None:
        raise EndpointStateError("The endpoint was removed; add a new one.")
    return endpoint


def checked_fields(**fields: Any) -> dict[str, Any]:
    """`url`, `event_types` and `description`, of those given, as they are kept.

    Raises `InvalidEndpointError` naming each that is wrong.
    """
    problems: dict[str, str] = {}
    if "url" in fields:
        fields["url"] = fields["url"].strip()
        try:
            read_url(fields["url"])
        except InvalidEndpointError as error:
            problems |= error.problems
    if "event_types" in fields:
        fields["event_types"], problem = _checked_types(fields["event_types"])
        problems |= {"event_types": problem} if problem else {}
    if len(fields.get("description", "")) > REASON_LIMIT:
        problems["description"] = (
            f"has {len(fields['description'])} characters; at most {REASON_LIMIT} are kept."
        )
    if problems:
        raise InvalidEndpointError(problems)
    return fields


def _checked_types(names: Sequence[str]) -> tuple[list[str], str]:
    """The types in their usual order, each once, and what is wrong with them."""
    unknown = sorted(set(names) - set(EventType.values))
    if unknown:
        shown = ", ".join(repr(name[:40]) for name in unknown[:3])
        return [], f"{shown}: not among {', '.join(EventType.values)}."
    return [
        one for one in EventType.values if one in names
    ], "" if names else "choose at least one."
