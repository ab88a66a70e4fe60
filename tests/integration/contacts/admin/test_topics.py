"""Topics in admin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.brands.rights import Right
from apps.contacts.models import Topic
from tests.factories.brands import BrandFactory
from tests.factories.contacts import TopicFactory, TopicSubscriptionFactory

if TYPE_CHECKING:
    from apps.brands.models import Brand
    from tests.integration.contacts.admin.conftest import LogIn

LIST = "/admin/contacts/topic/"


def text(response: Any) -> str:
    return str(response.content.decode())


def test_list_counts_for_any_number_of_topics_at_once(brand: Brand, log_in: LogIn) -> None:
    anna = log_in(brand, Right.VIEW)
    TopicSubscriptionFactory.create(topic=TopicFactory.create(brand=brand))
    with CaptureQueriesContext(connection) as few:
        anna.get(LIST)
    for _ in range(10):
        TopicFactory.create(brand=brand)

    with CaptureQueriesContext(connection) as many:
        anna.get(LIST)

    assert len(many) == len(few)


def test_topic_is_added_and_its_slug_then_stays(brand: Brand, log_in: LogIn) -> None:
    anna = log_in(brand, Right.EDIT)
    given = {"brand": brand.pk, "name": "Weekly", "slug": "weekly", "description": ""}

    anna.post(f"{LIST}add/", given)
    topic = Topic.objects.get()
    anna.post(f"{LIST}{topic.pk}/change/", {**given, "name": "Every week", "slug": "other"})

    topic.refresh_from_db()
    assert (topic.name, topic.slug, topic.brand) == ("Every week", "weekly", brand)


def test_topic_of_another_brand_is_not_there(brand: Brand, log_in: LogIn) -> None:
    anna = log_in(brand, *Right)
    other = TopicFactory.create(brand=BrandFactory.create(), name="Secret plans")

    assert "Secret plans" not in text(anna.get(LIST))
    assert anna.post(f"{LIST}{other.pk}/change/", {"name": "x"}).status_code == 302
    other.refresh_from_db()
    assert other.name == "Secret plans"


def test_topic_is_not_deleted(brand: Brand, log_in: LogIn) -> None:
    anna = log_in(brand, *Right)
    topic = TopicFactory.create(brand=brand)

    assert anna.post(f"{LIST}{topic.pk}/delete/", {"post": "yes"}).status_code == 403
