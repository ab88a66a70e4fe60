"""POST email/digest and email/sequence: idempotent, of the key's brand, told what they did."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.models.functions import Now

from apps.brands.models import Sender
from apps.newsletter.models import DigestIssue
from apps.newsletter.sequences import entering
from tests.factories.newsletter import DigestFactory, add_people, started_sequence
from tests.integration.api.conftest import Caller, House, caller

pytestmark = pytest.mark.django_db


def digest(house: House, **fields: object) -> None:
    sender = Sender.objects.get(brand=house.brand)
    DigestFactory.create(sender=sender, active_since=Now() - timedelta(days=9), **fields)


def test_digest_is_started_once_a_week(house: House, shop: Caller) -> None:
    digest(house, slug="weekly")

    first = shop.post("email/digest", {"digest": "weekly"})
    second = shop.post("email/digest/")

    assert (first.status, second.status) == (202, 202)
    (run,) = first.body["issues"]
    assert (run["outcome"], run["state"]) == ("started", "composing")
    assert second.body["issues"] == [{**run, "outcome": "exists"}]
    assert DigestIssue.objects.get().started_by.startswith("key:")


def test_digest_of_another_brand_is_not_known(other_house: House, shop: Caller) -> None:
    digest(other_house, slug="weekly")

    assert shop.post("email/digest", {"digest": "weekly"}).status == 422
    assert shop.post("email/digest").body["issues"] == []
    assert not DigestIssue.objects.exists()


def test_sequence_tells_how_many_are_due(house: House, shop: Caller) -> None:
    sequence = started_sequence(sender=Sender.objects.get(brand=house.brand))
    add_people(house.brand.pk, 3)
    entering.enter_all()

    answer = shop.post("email/sequence")

    # The house has a contact of its own.
    assert answer.status == 202
    assert answer.body["sequences"] == [{"sequence": sequence.slug, "due": 4}]


def test_key_without_the_scope_is_refused(house: House) -> None:
    reader = caller(house.brand, ["mail:send"], name="reader")

    assert reader.post("email/digest").status == 403
    assert reader.post("email/sequence").status == 403
