"""Webhooks by API: the brand of the key and no other, and secrets only where they are asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
import pytest
from django.db import connection
from django.test import Client

from apps.brands import keys
from apps.brands.models import IdempotentAnswer, Scope
from apps.station.outgoing import endpoints, sending
from apps.station.outgoing.models import WebhookDelivery, WebhookEndpoint
from tests.factories.brands import BrandFactory
from tests.integration.outgoing.conftest import add_endpoint
from tests.integration.outgoing.receiver import Answer
from tests.integration.outgoing.rows import make_deliveries

if TYPE_CHECKING:
    from tests.integration.mail.conftest import House
    from tests.integration.outgoing.receiver import Receiver

ENDPOINTS = "/api/webhook-endpoints"
DELIVERIES = "/api/webhook-deliveries"
URL = "https://hooks.example/in"
NEW = {"url": URL, "event_types": ["message.sent", "campaign.launched"]}


class Caller:
    """A program with a key of the house's brand."""

    def __init__(self, house: House, *scopes: Scope) -> None:
        issued = keys.issue(brand=house.brand, name="shop", scopes=scopes, by="a test")
        self._client = Client(headers={"authorization": f"Bearer {issued.token}"})

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        return self._client.generic(
            method,
            path,
            b"" if body is None else orjson.dumps(body),
            content_type="application/json",
            headers={name.replace("_", "-"): value for name, value in headers.items()},
        )


@pytest.fixture
def call(house: House) -> Caller:
    return Caller(house, Scope.WEBHOOKS_READ, Scope.WEBHOOKS_WRITE)


def test_endpoint_is_added_read_changed_and_removed(house: House, call: Caller) -> None:
    added = call("POST", ENDPOINTS, NEW)
    path = f"{ENDPOINTS}/{added.json()['id']}"
    changed = call("PATCH", path, {"description": "Shop"})
    listed = call("GET", ENDPOINTS)
    removed = call("DELETE", path)

    assert added.status_code == 201
    told = added.json()
    assert told["object"] == "webhook_endpoint"
    assert told["event_types"] == ["campaign.launched", "message.sent"]
    assert (told["state"], told["has_previous_secret"]) == ("enabled", False)
    assert changed.json()["description"] == "Shop"
    assert listed.json()["data"] == [changed.json()]
    assert removed.status_code == 204
    assert call("GET", path).status_code == 404
    assert call("GET", ENDPOINTS).json()["data"] == []


def test_secret_is_told_where_it_is_asked_for_and_nowhere_else(house: House, call: Caller) -> None:
    added = call("POST", ENDPOINTS, NEW, idempotency_key="one")
    path = f"{ENDPOINTS}/{added.json()['id']}"
    rotated = call("POST", f"{path}/rotate-secret", {}, idempotency_key="two")
    told = call("GET", f"{path}/secret")

    endpoint = WebhookEndpoint.objects.get()
    kept = b"".join(bytes(one.body) for one in IdempotentAnswer.objects.all())
    assert told.json()["secret"] == endpoint.secret
    assert told.headers["cache-control"] == "no-store"
    assert rotated.json()["has_previous_secret"] is True
    assert b"whsec_" not in added.content + rotated.content + call("GET", path).content + kept
    assert call("POST", f"{path}/rotate-secret", {}).status_code == 409
    assert call("POST", f"{path}/forget-previous-secret", {}).status_code == 200
    assert WebhookEndpoint.objects.get().secrets == [endpoint.secret]


def test_request_that_is_repeated_adds_one_endpoint(house: House, call: Caller) -> None:
    first = call("POST", ENDPOINTS, NEW, idempotency_key="one")
    again = call("POST", ENDPOINTS, NEW, idempotency_key="one")

    assert again.json() == first.json()
    assert WebhookEndpoint.objects.count() == 1


@pytest.mark.parametrize(
    ("body", "field", "said"),
    [
        ({"url": "https://10.0.0.1/"}, "url", "private network"),
        ({"url": "http://hooks.example/"}, "url", "not encrypted"),
        ({"url": ""}, "url", "blank"),
        ({"event_types": []}, "event_types", "at least 1"),
        ({"event_types": ["message.read"]}, "event_types.0", "not a valid choice"),
        ({"secret": "mine"}, "secret", "Unknown field"),
    ],
)
def test_field_that_is_wrong_is_named(
    call: Caller, body: dict[str, Any], field: str, said: str
) -> None:
    answer = call("POST", ENDPOINTS, {**NEW, **body})

    assert answer.status_code == 422
    assert said in " ".join(answer.json()["errors"][field])


def test_endpoint_is_disabled_and_enabled_and_says_so(house: House, call: Caller) -> None:
    path = f"{ENDPOINTS}/{add_endpoint(house, URL).pk}"

    disabled = call("POST", f"{path}/disable", {"reason": "moving"})
    twice = call("POST", f"{path}/disable", {})
    ping = call("POST", f"{path}/ping", {})
    enabled = call("POST", f"{path}/enable", {})

    assert disabled.json()["state"] == "disabled"
    assert disabled.json()["disabled_reason"].endswith("shop: moving")
    assert (twice.status_code, twice.json()["name"]) == (409, "conflict")
    assert ping.status_code == 409
    assert enabled.json()["state"] == "enabled"


def test_ping_is_sent_and_its_delivery_told(house: House, call: Caller, receiver: Receiver) -> None:
    endpoint = add_endpoint(house, receiver.url)
    receiver.answers = [Answer(500, body=b"Oops")]

    pinged = call("POST", f"{ENDPOINTS}/{endpoint.pk}/ping", {})
    sending.send_due(endpoint_id=endpoint.pk)
    told = call("GET", f"{DELIVERIES}/{pinged.json()['id']}").json()

    assert pinged.status_code == 201
    assert receiver.hooks[0].id == told["webhook_id"] == pinged.json()["webhook_id"]
    assert (told["state"], told["attempts"], told["last_status"]) == ("pending", 1, 500)
    assert (told["answer"], told["last_error"]) == ("Oops", "answered 500")
    assert told["next_try_at"] is not None
    assert [one["status"] for one in told["tries"]] == [500]


def test_deliveries_are_narrowed_down_and_sent_again(house: House, call: Caller) -> None:
    one, other = add_endpoint(house, URL), add_endpoint(house, URL)
    failed, waiting = make_deliveries(one, 2)
    make_deliveries(other, 1)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE station_webhookdelivery SET state = 'failed', settled_at = now() WHERE id = %s",
            [failed],
        )

    of_one = call("GET", f"{DELIVERIES}?endpoint_id={one.pk}").json()
    of_state = call("GET", f"{DELIVERIES}?state=failed&type=ping").json()
    again = call("POST", f"{DELIVERIES}/{failed}/redeliver", {})

    assert [row["id"] for row in of_one["data"]] == [waiting, failed]
    assert [row["id"] for row in of_state["data"]] == [failed]
    assert again.json()["state"] == "pending"
    assert call("GET", f"{DELIVERIES}?endpoint_id=x").status_code == 422
    assert call("GET", f"{DELIVERIES}?colour=red").status_code == 422


def test_all_failed_since_a_time_are_sent_again(house: House, call: Caller) -> None:
    endpoint = add_endpoint(house, URL)
    make_deliveries(endpoint, 3)
    WebhookDelivery.objects.update(state="failed", settled_at=endpoint.created_at)
    path = f"{ENDPOINTS}/{endpoint.pk}/redeliver-failed"

    answer = call("POST", path, {"since": "2020-01-01T00:00:00Z"})

    assert answer.json() == {"object": "webhook_redelivery", "number": 3}
    assert call("POST", path, {"since": "soon"}).status_code == 422


def test_rows_of_another_brand_are_not_found(house: House, call: Caller) -> None:
    other = endpoints.add(
        brand_id=BrandFactory.create().pk, url=URL, event_types=["message.sent"], actor="a test"
    )
    [delivery_id] = make_deliveries(other, 1)
    path = f"{ENDPOINTS}/{other.pk}"

    assert call("GET", path).status_code == 404
    assert call("GET", f"{path}/secret").status_code == 404
    assert call("PATCH", path, {"description": "x"}).status_code == 404
    assert call("DELETE", path).status_code == 404
    for name in ("enable", "disable", "ping", "rotate-secret", "forget-previous-secret"):
        assert call("POST", f"{path}/{name}", {}).status_code == 404
    since = {"since": "2020-01-01T00:00:00Z"}
    assert call("POST", f"{path}/redeliver-failed", since).status_code == 404
    assert call("GET", f"{DELIVERIES}/{delivery_id}").status_code == 404
    assert call("POST", f"{DELIVERIES}/{delivery_id}/redeliver", {}).status_code == 404
    assert call("GET", ENDPOINTS).json()["data"] == []
    assert call("GET", DELIVERIES).json()["data"] == []
    assert call("GET", f"{DELIVERIES}?endpoint_id={other.pk}").json()["data"] == []


def test_key_that_may_only_read_changes_nothing_and_sees_no_secret(house: House) -> None:
    endpoint = add_endpoint(house, URL)
    [delivery_id] = make_deliveries(endpoint, 1)
    call = Caller(house, Scope.WEBHOOKS_READ)
    path = f"{ENDPOINTS}/{endpoint.pk}"

    assert call("GET", path).status_code == 200
    assert call("GET", f"{DELIVERIES}/{delivery_id}").status_code == 200
    assert call("GET", f"{path}/secret").status_code == 403
    assert call("POST", ENDPOINTS, NEW).status_code == 403
    assert call("PATCH", path, {}).status_code == 403
    assert call("DELETE", path).status_code == 403
    assert call("POST", f"{path}/ping", {}).status_code == 403
    assert call("POST", f"{DELIVERIES}/{delivery_id}/redeliver", {}).status_code == 403


def test_key_for_other_things_reads_nothing(house: House) -> None:
    call = Caller(house, Scope.CONTACTS_READ)

    assert call("GET", ENDPOINTS).status_code == 403
    assert call("GET", DELIVERIES).status_code == 403
