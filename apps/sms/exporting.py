"""All that is known of a person who gets texts, for themselves to read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.forms.models import model_to_dict

from apps.sms.models import (
    LimeCallback,
    PhoneSuppression,
    SentText,
    Subscriber,
    Subscription,
    TextReply,
    TrackingEvent,
)

if TYPE_CHECKING:
    from django.db.models import QuerySet

_TEXT = ("local_day", "brand__name", "message__body", "state", "reason", "sent_at", "segments")
_EVENT = (
    "occurred_at",
    "brand__name",
    "event_type",
    "value",
    "currency",
    "keyword",
    "message_id",
    "source",
)


def export_subscriber(subscriber_id: int) -> dict[str, Any]:
    """Everything, of all brands, as JSON can hold it once dates are texts. Seven queries.

    Raises Subscriber.DoesNotExist.
    """
    person = Subscriber.objects.get(pk=subscriber_id)
    of_person = {"subscriber_id": subscriber_id}
    of_phone = {"phone": person.phone}
    return {
        "subscriber": {**model_to_dict(person), "created_at": person.created_at},
        "subscriptions": _rows(Subscription.objects.filter(**of_person).order_by("pk")),
        "texts": list(SentText.objects.filter(**of_person).order_by("local_day").values(*_TEXT)),
        "events": list(
            TrackingEvent.objects.filter(**of_person).order_by("occurred_at").values(*_EVENT)
        ),
        "replies": _rows(TextReply.objects.filter(**of_phone).order_by("pk")),
        "callbacks": list(
            LimeCallback.objects.filter(**of_phone)
            .order_by("pk")
            .values("received_at", "action", "list_id", "keyword", "fields", "outcome")
        ),
        "suppressions": list(
            PhoneSuppression.objects.filter(**of_phone).values("reason", "created_at", "lifted_at")
        ),
    }


def _rows(rows: QuerySet[Any]) -> list[dict[str, Any]]:
    return list(rows.values())
