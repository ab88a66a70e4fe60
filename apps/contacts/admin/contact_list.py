"""The list of contacts: what it filters by, and what is read for a page of it."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from django.contrib.admin import SimpleListFilter
from django.contrib.admin.views.main import ChangeList

from apps.brands import rights
from apps.brands.rights import Right
from apps.contacts.models import (
    ContactStatus,
    Suppression,
    SuppressionReason,
    Topic,
    TopicState,
    TopicSubscription,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.db.models import QuerySet
    from django.http import HttpRequest

    from apps.contacts.models import Contact

TOPICS_OFFERED = 200


class StatusFilter(SimpleListFilter):
    title = "status"
    parameter_name = "status"

    def lookups(self, _request: HttpRequest, _page: Any) -> list[tuple[str, str]]:
        return list(ContactStatus.choices)

    def queryset(self, _request: HttpRequest, rows: QuerySet[Any]) -> QuerySet[Any]:
        return rows.filter(status=self.value()) if self.value() else rows


class TopicFilter(SimpleListFilter):
    """Who opted in to a topic; offers those of the brands that the user may view."""

    title = "topic"
    parameter_name = "topic"

    def lookups(self, request: HttpRequest, _page: Any) -> list[tuple[str, str]]:
        seen = rights.brand_ids(request.user, Right.VIEW)
        topics = Topic.objects.filter(brand__in=seen).select_related("brand")
        named = topics.order_by("brand__name", "name")[:TOPICS_OFFERED]
        if len(seen) == 1:
            return [(str(one.pk), one.name) for one in named]
        return [(str(one.pk), f"{one.brand.name}: {one.name}") for one in named]

    def queryset(self, _request: HttpRequest, rows: QuerySet[Any]) -> QuerySet[Any]:
        chosen = self.value()
        if chosen is None:
            return rows
        if chosen not in {value for value, _ in self.lookup_choices}:
            return rows.none()
        return rows.filter(topics__topic=int(chosen), topics__state=TopicState.OPT_IN)


class ContactChangeList(ChangeList):
    """Reads topics and suppressions of the page's contacts, a query each."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        page: Sequence[Any] = list(self.result_list)
        topics, reasons = _topics(page), _reasons(page)
        for contact in page:
            contact.page_topics = sorted(topics[contact.pk])
            contact.page_reasons = sorted(
                {
                    reason
                    for reason, brand_id in reasons[contact.address]
                    if brand_id in {None, contact.brand_id}
                }
            )
        self.result_list = page


def _topics(page: Sequence[Contact]) -> defaultdict[int, list[str]]:
    found = defaultdict(list)
    wanted = TopicSubscription.objects.filter(
        contact__in=[one.pk for one in page], state=TopicState.OPT_IN
    )
    for contact_id, name in wanted.values_list("contact_id", "topic__name"):
        found[contact_id].append(name)
    return found


def _reasons(
    page: Sequence[Contact],
) -> defaultdict[str, list[tuple[SuppressionReason, int | None]]]:
    found: defaultdict[str, list[tuple[SuppressionReason, int | None]]] = defaultdict(list)
    held = Suppression.objects.active().filter(address__in=[one.address for one in page])
    for address, reason, brand_id in held.values_list("address", "reason", "brand_id"):
        found[str(address)].append((SuppressionReason(reason), brand_id))
    return found
