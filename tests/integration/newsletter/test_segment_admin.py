"""The segment queue in admin: what is shown, and the repair."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from django.contrib.auth import get_user_model
from django.urls import reverse

from apps.brands.models import Grant
from apps.brands.rights import Right
from apps.newsletter.models import ManagedSegment, SegmentWish, WishState
from apps.newsletter.segments.wishes import want
from tests.factories.brands import SenderFactory
from tests.factories.contacts import ContactFactory

if TYPE_CHECKING:
    from django.test import Client

    from apps.brands.models import Brand

pytestmark = pytest.mark.django_db
NOW = datetime.now(tz=UTC)


@pytest.fixture
def brand() -> Brand:
    sender = SenderFactory.create(is_default=True)
    for name in ("gold", "silver"):
        ManagedSegment.objects.create(
            account=sender.account, brand=sender.brand, segment_id=f"seg-{name}", name=name.title()
        )
    return sender.brand


def settled(brand: Brand, *, seen: list[str]) -> SegmentWish:
    contact = ContactFactory.create(brand=brand)
    want(contact_id=contact.pk, target_segment="seg-gold", score=1, mode="update", at=NOW)
    SegmentWish.objects.filter(pk=contact.pk).update(
        state="idle", done_version=1, known_segments=["seg-gold"], known_at=NOW,
        seen_segments=seen, seen_at=NOW, called_at=NOW - timedelta(hours=1),
    )  # fmt: skip
    return SegmentWish.objects.get(pk=contact.pk)


def log_in(client: Client, brand: Brand, *rights: Right) -> None:
    user = get_user_model().objects.create_user("anna", is_staff=True)
    for right in rights:
        Grant.objects.create(user=user, brand=brand, right=right, granted_by="test")
    client.force_login(user)


def test_drift_is_listed_by_name_and_repaired(client: Client, brand: Brand) -> None:
    fine, drifted = settled(brand, seen=["seg-gold"]), settled(brand, seen=["seg-silver"])
    settled(SenderFactory.create(is_default=True).brand, seen=[])
    log_in(client, brand, Right.VIEW, Right.REDRIVE)
    url = reverse("admin:newsletter_segmentwish_changelist")

    page = client.get(url, {"drift": "yes"}).content.decode()
    client.post(f"{url}?drift=yes", {"action": "repair", "_selected_action": [drifted.pk]})

    assert "Silver" in page
    assert f"/{drifted.pk}/change/" in page
    assert f"/{fine.pk}/change/" not in page
    drifted.refresh_from_db()
    assert (drifted.state, drifted.known_segments) == (WishState.WAITING, None)
    fine.refresh_from_db()
    assert fine.state == WishState.IDLE


def test_repair_needs_the_right_to_drive_again(client: Client, brand: Brand) -> None:
    drifted = settled(brand, seen=[])
    log_in(client, brand, Right.VIEW)
    url = reverse("admin:newsletter_segmentwish_changelist")

    answer = client.post(url, {"action": "repair", "_selected_action": [drifted.pk]})

    assert answer.status_code == 403
    drifted.refresh_from_db()
    assert drifted.state == WishState.IDLE


def test_wish_and_passes_have_their_pages(admin_client: Client, brand: Brand) -> None:
    wish = settled(brand, seen=[])

    detail = admin_client.get(reverse("admin:newsletter_segmentwish_change", args=[wish.pk]))
    passes = admin_client.get(reverse("admin:newsletter_segmentpass_changelist"))

    assert "Gold" in detail.content.decode()
    assert passes.status_code == 200
