"""What operators do with endpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.db import IntegrityError, connection, transaction

from apps.station.outgoing import endpoints
from apps.station.outgoing.errors import EndpointStateError, InvalidEndpointError
from apps.station.outgoing.models import WebhookEndpoint
from tests.integration.outgoing.conftest import add_endpoint

if TYPE_CHECKING:
    from tests.integration.mail.conftest import House

URL = "https://hooks.example/in"


def stored(column: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {column} FROM station_webhookendpoint")
        return cursor.fetchone()[0]


def test_added_endpoint_is_enabled_and_keeps_its_secret_encrypted(house: House) -> None:
    endpoint = add_endpoint(house, f" {URL} ", "message.sent", "campaign.launched", "message.sent")

    assert endpoint.state == "enabled"
    assert endpoint.url == URL
    assert endpoint.event_types == ["campaign.launched", "message.sent"]
    assert endpoint.created_by == "a test"
    assert endpoint.secret.startswith("whsec_")
    assert "whsec_" not in stored("secret")


def test_every_field_that_is_wrong_is_named(house: House) -> None:
    with pytest.raises(InvalidEndpointError) as caught:
        endpoints.add(
            brand_id=house.brand.pk,
            url="http://10.0.0.1/",
            event_types=["message.read"],
            description="x" * 201,
            actor="anna",
        )

    assert set(caught.value.problems) == {"url", "event_types", "description"}
    assert "'message.read'" in caught.value.problems["event_types"]
    assert "message.sent" in caught.value.problems["event_types"]
    assert not WebhookEndpoint.objects.exists()


def test_endpoint_without_events_is_refused(house: House) -> None:
    with pytest.raises(InvalidEndpointError, match="event_types: choose at least one"):
        endpoints.add(brand_id=house.brand.pk, url=URL, event_types=[], actor="anna")


def test_brand_has_a_limited_number_of_endpoints(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoints, "MOST_ENDPOINTS", 1)
    first = add_endpoint(house, URL)

    with pytest.raises(InvalidEndpointError, match="1 endpoints already"):
        add_endpoint(house, URL)

    endpoints.remove(endpoint_id=first.pk, actor="anna")
    assert add_endpoint(house, URL).state == "enabled"


def test_change_touches_what_is_given_alone(house: House) -> None:
    endpoint = add_endpoint(house, URL, "message.sent")

    changed = endpoints.change(endpoint_id=endpoint.pk, actor="anna", description="Shop")

    assert (changed.url, changed.event_types, changed.description) == (
        URL,
        ["message.sent"],
        "Shop",
    )
    assert changed.secret == endpoint.secret


def test_new_address_is_tried_at_once_and_the_same_one_is_not(house: House) -> None:
    endpoint = add_endpoint(house, URL)
    failing = {
        "failures": 4,
        "failing_since": endpoint.created_at,
        "held_until": endpoint.created_at,
    }
    WebhookEndpoint.objects.update(**failing)

    same = endpoints.change(endpoint_id=endpoint.pk, actor="anna", url=URL, description="x")
    other = endpoints.change(endpoint_id=endpoint.pk, actor="anna", url=f"{URL}/2")

    assert same.failures == 4
    assert (other.failures, other.failing_since, other.held_until) == (0, None, None)


def test_change_to_what_is_not_allowed_changes_nothing(house: House) -> None:
    endpoint = add_endpoint(house, URL)

    with pytest.raises(InvalidEndpointError):
        endpoints.change(
            endpoint_id=endpoint.pk, actor="anna", description="Shop", url="https://10.0.0.1/"
        )

    assert stored("description") == ""


def test_secret_is_not_rotated_past_one_that_is_still_valid(house: House) -> None:
    endpoint = add_endpoint(house, URL)
    new = endpoints.rotate_secret(endpoint_id=endpoint.pk, actor="anna")

    with pytest.raises(EndpointStateError, match="Two secrets"):
        endpoints.rotate_secret(endpoint_id=endpoint.pk, actor="anna")

    kept = WebhookEndpoint.objects.get()
    assert kept.secrets == [new, endpoint.secret]
    endpoints.forget_previous_secret(endpoint_id=endpoint.pk, actor="anna")
    assert WebhookEndpoint.objects.get().secrets == [new]
    with pytest.raises(EndpointStateError, match="none to forget"):
        endpoints.forget_previous_secret(endpoint_id=endpoint.pk, actor="anna")


def test_disabled_and_enabled_once_each(house: House) -> None:
    endpoint = add_endpoint(house, URL)
    endpoints.disable(endpoint_id=endpoint.pk, actor="anna", reason="moving house")
    assert stored("disabled_reason") == "anna: moving house"
    with pytest.raises(EndpointStateError, match="disabled already"):
        endpoints.disable(endpoint_id=endpoint.pk, actor="anna")

    endpoints.enable(endpoint_id=endpoint.pk, actor="anna")

    assert WebhookEndpoint.objects.get().state == "enabled"
    with pytest.raises(EndpointStateError, match="enabled already"):
        endpoints.enable(endpoint_id=endpoint.pk, actor="anna")


def test_enabling_forgets_the_failures(house: House) -> None:
    endpoint = add_endpoint(house, URL)
    WebhookEndpoint.objects.update(
        failures=9, failing_since=endpoint.created_at, held_until=endpoint.created_at
    )
    endpoints.disable(endpoint_id=endpoint.pk, actor="anna")

    endpoints.enable(endpoint_id=endpoint.pk, actor="anna")

    enabled = WebhookEndpoint.objects.get()
    assert (enabled.failures, enabled.failing_since, enabled.held_until) == (0, None, None)


def test_removed_endpoint_has_no_secret_and_no_way_back(house: House) -> None:
    endpoint = add_endpoint(house, URL)
    endpoints.remove(endpoint_id=endpoint.pk, actor="anna")

    removed = WebhookEndpoint.objects.get()
    assert removed.state == "removed"
    assert removed.secrets == []
    assert not WebhookEndpoint.objects.kept().exists()
    with pytest.raises(EndpointStateError, match="was removed"):
        endpoints.enable(endpoint_id=endpoint.pk, actor="anna")


@pytest.mark.parametrize(
    "change",
    [
        "event_types = '{}'",
        "disabled_at = now()",
        "disabled_reason = 'x'",
        "failures = 1",
        "failing_since = now()",
        "removed_at = now()",
    ],
)
def test_constraint_refuses_half_a_state(house: House, change: str) -> None:
    add_endpoint(house, URL)

    with (
        pytest.raises(IntegrityError),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(f"UPDATE station_webhookendpoint SET {change}")
