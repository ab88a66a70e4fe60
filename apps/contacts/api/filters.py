"""What lists can be narrowed down by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rest_framework.exceptions import ValidationError

from apps.brands.api.filters import BooleanFilter, CharFilter, ChoiceFilter, FilterSet
from apps.contacts.addresses import normalise
from apps.contacts.errors import InvalidAddressError
from apps.contacts.models import ContactStatus, SuppressionReason, TopicState

if TYPE_CHECKING:
    from django.db.models import QuerySet


def look_up_address(email: str) -> str:
    """The form that is looked up. Raises `ValidationError` for what is no address."""
    try:
        return normalise(email).address
    except InvalidAddressError as error:
        raise ValidationError({"email": [str(error)]}) from error


class ContactFilter(FilterSet):
    email = CharFilter(method="by_email", label="The whole address.")
    status = ChoiceFilter(choices=ContactStatus.choices)
    topic = CharFilter(method="by_topic", label="Slug of a topic that they opted in to.")

    def by_email(self, rows: QuerySet[Any], _name: str, email: str) -> QuerySet[Any]:
        return rows.filter(address=look_up_address(email))

    def by_topic(self, rows: QuerySet[Any], _name: str, slug: str) -> QuerySet[Any]:
        brand = self.request.auth.brand
        return rows.filter(
            topics__topic__brand=brand, topics__topic__slug=slug, topics__state=TopicState.OPT_IN
        )


class SuppressionFilter(FilterSet):
    email = CharFilter(method="by_email", label="The whole address.")
    reason = ChoiceFilter(choices=SuppressionReason.choices)
    active = BooleanFilter(
        method="by_active", label="true: those that hold; false: those that were lifted."
    )

    def by_email(self, rows: QuerySet[Any], _name: str, email: str) -> QuerySet[Any]:
        return rows.filter(address=look_up_address(email))

    def by_active(self, rows: QuerySet[Any], _name: str, active: bool) -> QuerySet[Any]:  # noqa: FBT001 - django-filter's signature
        return rows.filter(lifted_at__isnull=active)
