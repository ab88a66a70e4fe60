"""The pages of webhooks: who sees them, who may do what, and what they never show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from apps.brands.models import Grant, Right
from apps.station.outgoing import endpoints, sending
from apps.station.outgoing.models import WebhookDelivery, WebhookEndpoint
from tests.factories.brands import BrandFactory
from tests.integration.outgoing.conftest import add_endpoint
from tests.integration.outgoing.receiver import Answer
from tests.integration.outgoing.rows import make_deliveries

if TYPE_CHECKING:
    from tests.integration.mail.conftest import House
    from tests.integration.outgoing.receiver import Receiver

URL = "https://hooks.example/in"
ADD = reverse("admin:station_webhookendpoint_add")
LIST = reverse("admin:station_webhookendpoint_changelist")
LOG = reverse("admin:station_webhookdelivery_changelist")
DEEDS = ("ping", "forget", "enable", "disable", "remove", "redeliver", "rotate")


def operator(house: House, *rights: Right) -> Client:
    """Logged in, with these rights on the house's brand."""
    user = User.objects.create_user("anna", password="x", is_staff=True)
    for right in rights:
        Grant.objects.create(user=user, brand=house.brand, right=right)
    client = Client()
    client.force_login(user)
    return client


def address(name: str, pk: int, *, model: str = "webhookendpoint") -> str:
    return reverse(f"admin:station_{model}_{name}", args=[pk])


def text(answer: Any) -> str:
    return str(answer.content.decode())


def test_endpoint_is_added_and_its_secret_shown_this_once(house: House) -> None:
    client = operator(house, Right.EDIT)
    fields = {
        "brand": house.brand.pk,
        "url": URL,
        "description": "Shop",
        "event_types": ["message.sent", "campaign.launched"],
    }

    shown = client.post(ADD, fields)

    endpoint = WebhookEndpoint.objects.get()
    assert endpoint.secret in text(shown)
    assert "no-store" in shown.headers["cache-control"]
    assert (endpoint.description, endpoint.brand) == ("Shop", house.brand)
    assert endpoint.created_by.endswith("anna")
    for page in (address("change", endpoint.pk), address("edit", endpoint.pk), LIST):
        answer = client.get(page)
        assert answer.status_code == 200
        assert "whsec_" not in text(answer)


def test_fields_that_are_wrong_are_told_beside_them(house: House) -> None:
    client = operator(house, Right.EDIT)

    answer = client.post(ADD, {"brand": house.brand.pk, "url": "https://10.0.0.1/"})

    assert "Leads into a private network" in text(answer)
    assert "This field is required" in text(answer)
    assert not WebhookEndpoint.objects.exists()


def test_one_endpoint_too_many_is_refused_in_words(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoints, "MOST_ENDPOINTS", 0)
    client = operator(house, Right.EDIT)
    fields = {"brand": house.brand.pk, "url": URL, "event_types": ["message.sent"]}

    answer = client.post(ADD, fields, follow=True)

    assert "remove one first" in text(answer)


def test_endpoint_is_edited_by_its_form(house: House) -> None:
    endpoint = add_endpoint(house, URL)
    client = operator(house, Right.EDIT)
    fields = {"url": f"{URL}/2", "description": "New", "event_types": ["message.failed"]}

    answer = client.post(address("edit", endpoint.pk), fields)

    endpoint.refresh_from_db()
    assert answer.headers["location"] == address("change", endpoint.pk)
    assert (endpoint.url, endpoint.description) == (f"{URL}/2", "New")
    assert endpoint.event_types == ["message.failed"]


def test_new_secret_is_shown_once_and_then_forgotten_the_old_one(house: House) -> None:
    endpoint = add_endpoint(house, URL)
    client = operator(house, Right.EDIT)

    shown = client.post(address("rotate", endpoint.pk))

    rotated = WebhookEndpoint.objects.get()
    assert rotated.secret in text(shown)
    assert endpoint.secret not in text(shown)
    assert "Forget the previous" in text(client.get(address("change", endpoint.pk)))
    client.post(address("forget", endpoint.pk))
    assert WebhookEndpoint.objects.get().secrets == [rotated.secret]


def test_buttons_disable_enable_and_remove(house: House) -> None:
    endpoint = add_endpoint(house, URL)
    client = operator(house, Right.EDIT)

    client.post(address("disable", endpoint.pk), {"reason": "moving"})
    disabled = WebhookEndpoint.objects.get()
    page = text(client.get(address("change", endpoint.pk)))
    client.post(address("enable", endpoint.pk))
    enabled = WebhookEndpoint.objects.get()
    removed = client.post(address("remove", endpoint.pk))

    assert disabled.disabled_reason.endswith("anna: moving")
    assert "Disabled" in page
    assert enabled.state == "enabled"
    assert removed.headers["location"] == LIST
    assert client.get(address("change", endpoint.pk)).status_code == 404


def test_refused_button_says_why(house: House) -> None:
    endpoint = add_endpoint(house, URL)
    client = operator(house, Right.EDIT)

    answer = client.post(address("enable", endpoint.pk), follow=True)

    assert "enabled already" in text(answer)


def test_failed_deliveries_are_sent_again_from_a_time_on(house: House, receiver: Receiver) -> None:
    endpoint = add_endpoint(house, receiver.url)
    make_deliveries(endpoint, 2)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE station_webhookdelivery SET state = 'failed', settled_at = now()")
    client = operator(house, Right.REDRIVE)

    wrong = client.post(address("redeliver", endpoint.pk), {"since": "soon"}, follow=True)
    right = client.post(
        address("redeliver", endpoint.pk), {"since": "2020-01-01T00:00"}, follow=True
    )

    assert "give a date and a time" in text(wrong)
    assert "2 failed deliveries are on their way again" in text(right)


def test_log_shows_what_came_back_and_sends_again(house: House, receiver: Receiver) -> None:
    endpoint = add_endpoint(house, receiver.url)
    receiver.answers = [Answer(500, body=b"<script>alert(1)</script>")]
    [delivery_id] = make_deliveries(endpoint, 1)
    sending.send_due(endpoint_id=endpoint.pk)
    client = operator(house, Right.REDRIVE)

    listed = text(client.get(LOG))
    page = text(client.get(address("change", delivery_id, model="webhookdelivery")))
    again = client.post(address("again", delivery_id, model="webhookdelivery"), follow=True)

    assert "answered 500" in listed
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script>alert(1)" not in page
    assert "evt_" in page
    assert "On its way again" in text(again)


def test_chosen_deliveries_are_sent_again(house: House) -> None:
    endpoint = add_endpoint(house, URL)
    ids = make_deliveries(endpoint, 2)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE station_webhookdelivery SET state = 'failed', settled_at = now()")
    client = operator(house, Right.REDRIVE)

    client.post(LOG, {"action": "redeliver_chosen", "_selected_action": ids})

    assert set(WebhookDelivery.objects.values_list("state", flat=True)) == {"pending"}


@pytest.mark.parametrize("deed", DEEDS)
def test_buttons_are_pressed_only_with_the_right_and_by_post(house: House, deed: str) -> None:
    endpoint = add_endpoint(house, URL)
    client = operator(house, Right.VIEW, Right.EXPORT)

    assert client.get(address(deed, endpoint.pk)).status_code == 405
    assert client.post(address(deed, endpoint.pk)).status_code == 403
    endpoint.refresh_from_db()
    assert endpoint.state == "enabled"


def test_who_may_only_look_has_no_buttons(house: House) -> None:
    endpoint = add_endpoint(house, URL)
    make_deliveries(endpoint, 1)
    client = operator(house, Right.VIEW)

    page = text(client.get(address("change", endpoint.pk)))

    assert "Send a ping" not in page
    assert "Send all failed again" not in page
    assert client.get(ADD).status_code == 403
    assert client.post(LOG, {"action": "redeliver_chosen"}).status_code in {200, 302, 403}


@pytest.mark.parametrize("deed", [*DEEDS, "change", "edit"])
def test_endpoint_of_another_brand_is_not_found(house: House, deed: str) -> None:
    other = endpoints.add(
        brand_id=BrandFactory.create().pk, url=URL, event_types=["message.sent"], actor="a test"
    )
    [delivery_id] = make_deliveries(other, 1)
    client = operator(house, *Right)

    assert client.post(address(deed, other.pk)).status_code == 404
    assert client.get(address("change", delivery_id, model="webhookdelivery")).status_code == 404
    assert client.post(address("again", delivery_id, model="webhookdelivery")).status_code == 404
    assert "hooks.example" not in text(client.get(LIST))
    assert "hooks.example" not in text(client.get(LOG))


def test_pages_need_as_many_statements_for_many_rows_as_for_few(house: House) -> None:
    client = operator(house, *Right)
    counts = []
    for number in (1, 12):
        for _ in range(number):
            make_deliveries(add_endpoint(house, URL), number)
        endpoint = WebhookEndpoint.objects.order_by("-pk")[0]
        for page in (LIST, LOG, address("change", endpoint.pk)):
            with CaptureQueriesContext(connection) as captured:
                assert client.get(page).status_code == 200
            counts.append(len(captured))

    assert counts[:3] == counts[3:]


@pytest.mark.parametrize("number", [2**63, 10**30])
def test_number_that_no_row_can_have_is_not_found(house: House, number: int) -> None:
    client = operator(house, *Right)

    assert client.get(f"{LIST}{number}/change/").status_code == 404
    assert client.get(f"{LOG}{number}/change/").status_code == 404


def test_change_of_an_endpoint_is_in_the_audit_log_without_its_secrets(house: House) -> None:
    endpoint = add_endpoint(house, URL)
    endpoints.rotate_secret(endpoint_id=endpoint.pk, actor="anna")
    WebhookEndpoint.objects.update(failures=1, failing_since=endpoint.created_at)

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT action, before::text, after::text FROM brands_auditentry"
            " WHERE table_name = 'station_webhookendpoint' ORDER BY id"
        )
        rows = cursor.fetchall()

    assert [action for action, *_ in rows] == ["insert", "update"]
    assert "previous_secret" in rows[1][2]
    stored = str(rows)
    with connection.cursor() as cursor:
        cursor.execute("SELECT secret, previous_secret FROM station_webhookendpoint")
        assert all(secret not in stored for secret in cursor.fetchone())
