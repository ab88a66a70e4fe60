"""What happened to a person, newest first: permissions, texts, events, replies, callbacks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from apps.sms.models import LimeCallback, SentText, Subscription, TextReply, TrackingEvent

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from datetime import datetime

    from apps.sms.models import Subscriber

SHOWN = 100
_TONES = {"sent": "good", "failed": "bad", "unknown": "warn", "skipped": "", "expired": ""}


@dataclass(frozen=True, slots=True)
class Moment:
    """`tone` is good, warn, bad or empty."""

    at: datetime
    title: str
    detail: str = ""
    tone: str = ""


def timeline(subscriber: Subscriber, *, brand_ids: Collection[int]) -> list[Moment]:
    """Of these brands; the newest hundred of each kind. Five queries."""
    moments = [
        *_permissions(subscriber, brand_ids),
        *_texts(subscriber, brand_ids),
        *_events(subscriber, brand_ids),
        *_replies(subscriber, brand_ids),
        *_callbacks(subscriber),
        Moment(subscriber.created_at, "came to be known"),
    ]
    if subscriber.opted_out_at:
        moments.append(Moment(subscriber.opted_out_at, "left every brand", tone="bad"))
    return sorted(moments, key=lambda one: one.at, reverse=True)


def _permissions(subscriber: Subscriber, brand_ids: Collection[int]) -> Iterator[Moment]:
    rows = Subscription.objects.filter(subscriber=subscriber, brand__in=brand_ids)
    for one in rows.select_related("brand"):
        detail = ", ".join(filter(None, (one.source, one.proof)))
        if one.opted_in_at:
            yield Moment(one.opted_in_at, f"opted in to {one.brand}", detail, "good")
        if one.opted_out_at:
            yield Moment(one.opted_out_at, f"left {one.brand}", one.source, "bad")
        if one.verified_at:
            yield Moment(one.verified_at, f"seen on a list of {one.brand}")


def _texts(subscriber: Subscriber, brand_ids: Collection[int]) -> Iterator[Moment]:
    rows = SentText.objects.filter(subscriber=subscriber, brand__in=brand_ids)
    for one in rows.select_related("message__campaign").order_by("-local_day", "-id")[:SHOWN]:
        at = one.settled_at or one.calling_at or one.reserved_at
        detail = " ".join(filter(None, (str(one.message.campaign), one.reason, one.detail)))
        yield Moment(at, f"text “{one.message}”: {one.state}", detail, _TONES.get(one.state, ""))


def _events(subscriber: Subscriber, brand_ids: Collection[int]) -> Iterator[Moment]:
    rows = TrackingEvent.objects.filter(subscriber=subscriber, brand__in=brand_ids)
    for one in rows.select_related("message").order_by("-occurred_at")[:SHOWN]:
        worth = f"{one.value} {one.currency}".strip() if one.value is not None else ""
        put_down_to = f"after “{one.message}”" if one.message else ""
        detail = ", ".join(filter(None, (worth, one.keyword or "", put_down_to)))
        yield Moment(one.occurred_at, one.get_event_type_display(), detail, "good")


def _replies(subscriber: Subscriber, brand_ids: Collection[int]) -> Iterator[Moment]:
    rows = TextReply.objects.filter(phone=subscriber.phone, brand__in=brand_ids)
    for one in rows.order_by("-id")[:SHOWN]:
        yield Moment(one.created_at, f"answer to {one.kind}: {one.state}", one.detail)


def _callbacks(subscriber: Subscriber) -> Iterator[Moment]:
    rows = LimeCallback.objects.filter(phone=subscriber.phone)
    for one in rows.order_by("-id")[:SHOWN]:
        detail = ", ".join(filter(None, (one.keyword, one.outcome)))
        yield Moment(one.received_at, f"the provider told: {one.action}", detail)
